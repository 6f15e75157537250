/**
 * POST /v1/logout: ends the caller's session everywhere. Repeatable: a token whose session has
 * ended already is accepted, so that a lost answer can be asked for again.
 */
import type { Route } from '../../shared/http.js';
import type { Callers } from '../caller.js';
import { clearCookie } from '../cookie.js';
import type { Sessions } from '../sessions.js';
import type { Revocations } from '../tokens/revocations.js';

export const createLogout = ({
  callers,
  sessions,
  revocations,
}: {
  callers: Pick<Callers, 'identifyForLogout'>;
  sessions: Sessions;
  revocations: Revocations;
}): Route => ({
  method: 'POST',
  path: '/v1/logout',
  body: 'none',
  handle: async (ctx) => {
    const caller = await callers.identifyForLogout(ctx.req);
    if (caller === undefined) return { status: 204, headers: clearCookie };
    const { sid, sub } = caller;
    ctx.facts = { user_id: sub, session_id: sid };
    const tell = () => revocations.publish({ kind: 'session', id: sid });
    // A cookie is proved by the record, so the record goes last: only then can a try that failed in
    // between be repeated. A fresh reading does not outweigh the log.
    if (caller.isCookie) await tell();
    await sessions.end(sid);
    if (caller.isCookie) return { status: 204, headers: clearCookie };
    await tell();
    return { status: 204 };
  },
});
