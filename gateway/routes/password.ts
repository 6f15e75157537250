/**
 * POST /v1/password: a new password for the caller's account. Everything issued before is dead
 * everywhere, the caller's own tokens included; the caller's session goes on with fresh ones.
 * Order (design § 5): record and generation on the node, session script, revocation log, answer.
 * Whatever fails is 503, and the same request again finds its own change and does the rest.
 */
import { AppError, codeOf } from '../../shared/errors.js';
import { checkPassword, readFields } from '../../shared/fields.js';
import type { Route } from '../../shared/http.js';
import type { Addresses } from '../address.js';
import type { Attempts, Floor } from '../attempts.js';
import { bearerOf } from '../bearer.js';
import type { Grant } from '../grant.js';
import type { Sessions } from '../sessions.js';
import type { Revocations } from '../tokens/revocations.js';
import type { Verifier } from '../tokens/verify.js';

type Parts = {
  verify: Verifier['verify'];
  attempts: Attempts;
  addresses: Addresses;
  sessions: Sessions;
  revocations: Revocations;
  grant: Grant;
  floor: Floor;
};

/** The session may have ended meanwhile; the change stands all the same and must be published. */
const orEnded = (error: unknown): undefined => {
  if (codeOf(error) !== 'session_ended') throw error;
};

export const createPassword = (parts: Parts): Route => {
  const { verify, attempts, addresses, sessions, revocations, grant, floor } = parts;
  return {
    method: 'POST',
    path: '/v1/password',
    body: 'json',
    handle: async (ctx, body) => {
      const { u, sid: sessionId, sub: userId, scope, clientId } = await verify(bearerOf(ctx.req));
      ctx.facts = { account: u, user_id: userId, session_id: sessionId };
      const fields = readFields(body, { current_password: true, new_password: true });
      checkPassword('current_password', fields.current_password);
      checkPassword('new_password', fields.new_password);
      const work = { kind: 'password', u, class: 'password', body: { u, ...fields } } as const;
      const { verdict, release } = await attempts.run(ctx, work, addresses.callerOf(ctx.req));
      if (verdict.outcome !== 'ok') return floor(ctx);
      const { gen } = verdict;
      const rebased = sessions.rebase({ sessionId, gen }).catch(orEnded);
      const [refreshToken] = await Promise.all([rebased, release()]);
      await revocations.publish({ kind: 'user', id: u, gen });
      if (refreshToken === undefined) throw new AppError('session_ended');
      return grant({ userId, sessionId, gen, scope, clientId, refreshToken });
    },
  };
};
