/**
 * POST /v1/password: a new password for the caller's account. Everything issued before is dead
 * everywhere, the caller's own tokens included; the caller's session goes on with fresh ones.
 * Order (design § 5): record and generation on the node, session script (with the new cookie), revocation
 * log, answer. Whatever fails is 503, and the same request again finds its own change and does the rest. So it
 * does with a cookie where the edge still has that in memory; elsewhere the store has ended it with the
 * change, and the browser signs in with the new password.
 * The caller's session is fresh by construction: the current password is demanded and checked in this
 * very request. Without it, a reset token does; that is password-reset.ts.
 */
import { AppError, passOver } from '../../shared/errors.js';
import { checkPassword, readFields } from '../../shared/fields.js';
import type { Body, Ctx, Route } from '../../shared/http.js';
import type { Addresses } from '../address.js';
import type { Attempts, Work } from '../attempts.js';
import type { Callers } from '../caller.js';
import type { Floor } from '../floor.js';
import type { FollowUp } from '../follow-up.js';
import { type Grant, grantCookie } from '../grant.js';
import type { PasswordReset } from '../password-reset.js';
import type { CookieSessions, IssuedCookie } from '../sessions/cookie-sessions.js';
import type { Sessions } from '../sessions/sessions.js';
import type { UserSessions } from '../sessions/user-sessions.js';

type Parts = {
  callers: Pick<Callers, 'identifyToChange'>;
  cookies: Pick<CookieSessions, 'issue'>;
  attempts: Attempts;
  addresses: Addresses;
  sessions: Sessions;
  userSessions: Pick<UserSessions, 'publishGen'>;
  reset: PasswordReset;
  followUp: FollowUp;
  grant: Grant;
  floor: Floor;
};

/** The session may have ended meanwhile; the change stands all the same and must be published. */
const orEnded = passOver('session_ended');

export const createPassword = (parts: Parts): Route => {
  const { callers, cookies, attempts, addresses, sessions, userSessions, grant, floor } = parts;
  const { reset, followUp } = parts;

  /** The verdict; when it is good, with the session's refresh token, and everybody has been told. */
  const change = async (
    ctx: Ctx,
    work: Work,
    { sessionId, cookie }: { sessionId: string; cookie: IssuedCookie | undefined },
  ) => {
    const { verdict, release } = await attempts.run(ctx, work, addresses.of(ctx.req));
    if (verdict.outcome !== 'ok') return { verdict };
    const { gen } = verdict;
    const rebased = sessions.rebase({ sessionId, gen, cookieHash: cookie?.hash }).catch(orEnded);
    const [refreshToken] = await Promise.all([rebased, release()]);
    await userSessions.publishGen(work.u, gen);
    return { verdict, refreshToken };
  };

  const runReset = (ctx: Ctx, body: Body) => {
    const fields = readFields(body, { reset_token: true, new_password: true });
    checkPassword('new_password', fields.new_password);
    return reset(ctx, fields.reset_token, fields.new_password);
  };

  return {
    method: 'POST',
    path: '/v1/password',
    body: 'json',
    handle: async (ctx, body) => {
      if ('reset_token' in body) return runReset(ctx, body);
      const claims = await callers.identifyToChange(ctx.req);
      const { u, sid: sessionId, sub: userId, scope, clientId } = claims;
      ctx.facts = { account: u, user_id: userId, session_id: sessionId };
      const fields = readFields(body, { current_password: true, new_password: true });
      checkPassword('current_password', fields.current_password);
      checkPassword('new_password', fields.new_password);
      const asked = { kind: 'password', class: 'password', body: { u, ...fields } } as const;
      const work = { ...asked, u, proven: `session:${sessionId}` };
      const cookie = claims.isCookie ? cookies.issue() : undefined;
      const whose = { sessionId, cookie };
      const changed = await followUp(u, claims.gen, () => change(ctx, work, whose));
      const { verdict, refreshToken } = changed;
      if (verdict.outcome !== 'ok') return floor(ctx);
      const { gen } = verdict;
      if (refreshToken === undefined) throw new AppError('session_ended');
      if (cookie !== undefined)
        return grantCookie({ userId, sessionId, scope }, cookie.headersFor(sessionId));
      return grant({ userId, sessionId, gen, scope, clientId, refreshToken });
    },
  };
};
