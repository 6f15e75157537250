/**
 * POST /v1/logout: ends the caller's session everywhere. Repeatable: a token whose session has
 * ended already is accepted, so that a lost answer can be asked for again.
 */
import type { Route } from '../../shared/http.js';
import type { Callers } from '../caller.js';
import { clearCookie } from '../sessions/cookie.js';
import type { SessionEnd } from '../sessions/session-end.js';

export const createLogout = ({
  callers,
  sessionEnd,
}: {
  callers: Pick<Callers, 'identifyForLogout'>;
  sessionEnd: Pick<SessionEnd, 'ofCaller'>;
}): Route => ({
  method: 'POST',
  path: '/v1/logout',
  body: 'none',
  handle: async (ctx) => {
    const caller = await callers.identifyForLogout(ctx.req);
    if (caller === undefined) return { status: 204, headers: clearCookie };
    const { sid, sub } = caller;
    ctx.facts = { user_id: sub, session_id: sid };
    await sessionEnd.ofCaller(caller);
    return caller.isCookie ? { status: 204, headers: clearCookie } : { status: 204 };
  },
});
