/**
 * POST /v1/refresh: a new pair of tokens for a refresh token, which is spent. A repeat within the
 * grace gets the same successor; an older one ends the family, and the log tells every edge.
 */
import { AppError } from '../../shared/errors.js';
import { readFields } from '../../shared/fields.js';
import type { Route } from '../../shared/http.js';
import { type Grant, publicClient } from '../grant.js';
import type { SessionEnd } from '../session-end.js';
import type { Sessions } from '../sessions.js';

export const createRefresh = ({
  sessions,
  sessionEnd,
  grant,
}: {
  sessions: Sessions;
  sessionEnd: Pick<SessionEnd, 'logFirst'>;
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
    if (!('refreshToken' in rotated)) {
      // Again for one that had ended before: the first try to tell the edges may have failed. And to
      // its end on the replicas: a failover must not bring the family back.
      await sessionEnd.logFirst(rotated.sessionId);
      throw new AppError('session_ended');
    }
    ctx.facts.user_id = rotated.userId;
    return grant(rotated);
  },
});
