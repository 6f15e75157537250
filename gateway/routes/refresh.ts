/**
 * POST /v1/refresh: a new pair of tokens for a refresh token, which is spent. A repeat within the
 * grace gets the same successor; an older one ends the family, and the log tells every edge.
 */
import { readFields } from '../../shared/fields.js';
import type { Route } from '../../shared/http.js';
import { type Grant, publicClient } from '../grant.js';
import type { SessionEnd } from '../sessions/session-end.js';
import type { Sessions } from '../sessions/sessions.js';

export const createRefresh = ({
  sessions,
  sessionEnd,
  grant,
}: {
  sessions: Sessions;
  sessionEnd: Pick<SessionEnd, 'refuseEnded'>;
  grant: Grant;
}): Route => ({
  method: 'POST',
  path: '/v1/refresh',
  body: 'json',
  handle: async (ctx, body) => {
    const { refresh_token } = readFields(body, { refresh_token: true });
    // A family of another client refreshes at the token endpoint, with that client's credentials.
    const rotated = await sessions.rotate(refresh_token, publicClient);
    ctx.facts = { session_id: rotated.sessionId, refresh: rotated.outcome };
    const live = await sessionEnd.refuseEnded(rotated);
    ctx.facts.user_id = live.userId;
    return grant(live);
  },
});
