/**
 * POST /v1/login: name and password in, a session with its tokens out, or for a browser with its
 * cookie. One answer, after one fixed time, for every reason why not.
 */
import { AppError, passOver } from '../../shared/errors.js';
import { checkPassword, readFields, readFlag } from '../../shared/fields.js';
import type { Body, Ctx, Route } from '../../shared/http.js';
import type { Addresses } from '../address.js';
import type { Attempts, Settled, Work } from '../attempts.js';
import type { Callers } from '../caller.js';
import type { Devices } from '../devices.js';
import type { Floor } from '../floor.js';
import { type Grant, type Granted, grantCookie, grantScope, publicClient } from '../grant.js';
import type { Origins } from '../origins.js';
import type { CookieSessions, IssuedCookie } from '../sessions/cookie-sessions.js';
import type { SessionEnd } from '../sessions/session-end.js';
import type { Sessions } from '../sessions/sessions.js';
import type { Accounts } from '../username.js';

type Parts = {
  attempts: Attempts;
  accounts: Accounts;
  addresses: Addresses;
  devices: Devices;
  sessions: Sessions;
  cookies: Pick<CookieSessions, 'issue'>;
  callers: Pick<Callers, 'findPrevious'>;
  origins: Pick<Origins, 'guard'>;
  sessionEnd: Pick<SessionEnd, 'confirm' | 'logFirst'>;
  grant: Grant;
  floor: Floor;
};

const fields = { username: true, password: true, scope: false, device_token: false } as const;

const readBody = ({ cookie, critical, ...body }: Body) => ({
  ...readFields(body, fields),
  wantsCookie: readFlag({ cookie }, 'cookie'),
  critical: readFlag({ critical }, 'critical'),
});

export const createLogin = (parts: Parts): Route => {
  const { attempts, accounts, addresses, devices, sessions, sessionEnd, grant, floor } = parts;
  const { cookies, callers, origins } = parts;

  /** The session and the end of the reservation share one round trip. */
  const openSession = async (
    ctx: Ctx,
    settled: Settled,
    more: { u: string; scope: string; critical: boolean; cookieHash: string | undefined },
  ) => {
    const { user_id: userId, gen } = settled.verdict;
    const { address } = addresses.of(ctx.req);
    const userAgent = ctx.req.headers['user-agent'] ?? '';
    const [created] = await Promise.all([
      sessions.create({ ...more, userId, gen, clientId: publicClient, address, userAgent }),
      settled.release(),
    ]);
    if (created === 'gen_changed') return created;
    // A user with too many sessions loses the oldest ones. Where the log cannot confirm an end, as with too few
    // replicas, the next login of the account is told of it again: a sign-in does not wait for replicas.
    await sessionEnd.confirm(created.ended).catch(passOver('store_unavailable'));
    return created;
  };

  /** A scope that is too wide ends the login, and with it the reservation. */
  const scopeOf = async (settled: Settled, requested: string | undefined): Promise<string> => {
    try {
      return grantScope(settled.verdict.scopes, requested);
    } catch (error) {
      await settled.release();
      throw error;
    }
  };

  /** The cookie that the new one replaces leaves no session behind; as far as the store lets us. */
  const endPrevious = async (ctx: Ctx) => {
    const previous = await callers.findPrevious(ctx.req);
    if (previous === undefined) return;
    await sessionEnd.logFirst(previous.sid);
  };

  const replyWith = async (ctx: Ctx, granted: Granted, cookie: IssuedCookie | undefined) => {
    const more = { device_token: devices.issue(granted.sessionId.slice(0, 22)) };
    if (cookie === undefined) return grant(granted, more);
    await endPrevious(ctx).catch(() => {});
    return grantCookie(granted, cookie.headersFor(granted.sessionId), more);
  };

  return {
    method: 'POST',
    path: '/v1/login',
    body: 'json',
    handle: async (ctx, body) => {
      const { username, password, scope: requested, device_token, ...wanted } = readBody(body);
      const { wantsCookie, critical } = wanted;
      if (wantsCookie) origins.guard(ctx.req);
      checkPassword('password', password);
      const { name, u } = accounts(username);
      ctx.facts = { account: u };
      const device = devices.find(u, device_token);
      const work: Work = {
        kind: 'login',
        u,
        class: device === undefined ? 'login' : 'device',
        ...(device === undefined ? {} : { proven: `device:${device}` }),
        body: { u, name, password },
      };
      const from = addresses.of(ctx.req);
      const cookie = wantsCookie ? cookies.issue() : undefined;
      // Twice only when the password changed between the verdict and the session.
      for (let tries = 0; tries < 2; tries++) {
        const settled = await attempts.join(ctx, work, from, password);
        if (settled.verdict.outcome !== 'ok') return floor(ctx);
        const scope = await scopeOf(settled, requested);
        const cookieHash = cookie?.hash;
        const created = await openSession(ctx, settled, { u, scope, critical, cookieHash });
        if (created === 'gen_changed') continue;
        const { user_id: userId, gen } = settled.verdict;
        ctx.facts = { account: u, user_id: userId, session_id: created.sessionId };
        const { sessionId, refreshToken } = created;
        const granted = { userId, sessionId, gen, scope, clientId: publicClient, refreshToken };
        return replyWith(ctx, granted, cookie);
      }
      throw new AppError('overloaded', { detail: 'the password changed twice meanwhile' });
    },
  };
};
