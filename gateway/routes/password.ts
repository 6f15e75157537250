/**
 * POST /v1/password: a new password for the caller's account. Everything issued before is dead
 * everywhere, the caller's own tokens included; the caller's session goes on with fresh ones.
 * Order (design § 5): record and generation on the node, session script, revocation log, answer.
 * Whatever fails is 503, and the same request again finds its own change and does the rest.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { AppError, codeOf, type ErrorCode } from '../../shared/errors.js';
import { checkPassword, readFields } from '../../shared/fields.js';
import type { Ctx, Route } from '../../shared/http.js';
import type { Addresses } from '../address.js';
import type { Attempts, Floor, Settled, Work } from '../attempts.js';
import type { Callers } from '../caller.js';
import type { CookieSessions } from '../cookie-sessions.js';
import { type Grant, grantCookie } from '../grant.js';
import type { Sessions } from '../sessions.js';
import type { Revocations } from '../tokens/revocations.js';

type Parts = {
  callers: Pick<Callers, 'identifyToChange'>;
  cookies: Pick<CookieSessions, 'renew'>;
  attempts: Attempts;
  addresses: Addresses;
  sessions: Sessions;
  revocations: Revocations;
  grant: Grant;
  floor: Floor;
};

/** Errors after which nobody can say whether the node has written. */
const unknownFates: readonly ErrorCode[] = ['timeout', 'bad_node_answer', 'store_unavailable'];
/** Late enough for the caller's own repeat, which would finish the change, to come first. */
const looksMs = [5000, 15_000];

/** The session may have ended meanwhile; the change stands all the same and must be published. */
const orEnded = (error: unknown): undefined => {
  if (codeOf(error) !== 'session_ended') throw error;
};

export const createPassword = (parts: Parts): Route => {
  const { callers, cookies, attempts, addresses, sessions, revocations, grant, floor } = parts;
  /** A change whose fate is unknown and which nobody repeats must still end the old tokens. */
  const followUp = async (u: string, gen: number) => {
    for (const ms of looksMs) {
      await sleep(ms, undefined, { ref: false });
      const current = await sessions.genOf(u).catch(() => 0);
      if (current > gen) await revocations.publish({ kind: 'user', id: u, gen: current });
    }
  };

  const change = async (ctx: Ctx, work: Work, gen: number): Promise<Settled> => {
    try {
      return await attempts.run(ctx, work, addresses.callerOf(ctx.req));
    } catch (error) {
      if (unknownFates.includes(codeOf(error))) followUp(work.u, gen).catch(() => {});
      throw error;
    }
  };

  return {
    method: 'POST',
    path: '/v1/password',
    body: 'json',
    handle: async (ctx, body) => {
      const claims = await callers.identifyToChange(ctx.req);
      const { u, sid: sessionId, sub: userId, scope, clientId } = claims;
      ctx.facts = { account: u, user_id: userId, session_id: sessionId };
      const fields = readFields(body, { current_password: true, new_password: true });
      checkPassword('current_password', fields.current_password);
      checkPassword('new_password', fields.new_password);
      const work = { kind: 'password', u, class: 'password', body: { u, ...fields } } as const;
      const { verdict, release } = await change(ctx, work, claims.gen);
      if (verdict.outcome !== 'ok') return floor(ctx);
      const { gen } = verdict;
      const rebased = sessions.rebase({ sessionId, gen }).catch(orEnded);
      const [refreshToken] = await Promise.all([rebased, release()]);
      await revocations.publish({ kind: 'user', id: u, gen });
      if (refreshToken === undefined) throw new AppError('session_ended');
      if (claims.isCookie)
        return grantCookie({ userId, sessionId, scope }, await cookies.renew(sessionId, gen));
      return grant({ userId, sessionId, gen, scope, clientId, refreshToken });
    },
  };
};
