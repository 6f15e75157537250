/**
 * POST /v1/logout: ends the caller's session everywhere. Repeatable: a token whose session has
 * ended already is accepted, so that a lost answer can be asked for again.
 */
import type { Route } from '../../shared/http.js';
import { bearerOf } from '../bearer.js';
import type { Sessions } from '../sessions.js';
import type { Revocations } from '../tokens/revocations.js';
import type { Verifier } from '../tokens/verify.js';

export const createLogout = ({
  verifyForLogout,
  sessions,
  revocations,
}: {
  verifyForLogout: Verifier['verifyForLogout'];
  sessions: Sessions;
  revocations: Revocations;
}): Route => ({
  method: 'POST',
  path: '/v1/logout',
  body: 'none',
  handle: async (ctx) => {
    const { sid, sub } = await verifyForLogout(bearerOf(ctx.req));
    ctx.facts = { user_id: sub, session_id: sid };
    await sessions.end(sid);
    await revocations.publish({ kind: 'session', id: sid });
    return { status: 204 };
  },
});
