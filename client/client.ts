/**
 * The public API of a Floodgate, call by call. Every call ends within its time with a result or a
 * FloodgateError, and what may be repeated is repeated (retry.ts says when). For tokens that renew
 * themselves see user-session.ts and client-credentials.ts.
 *
 *   const client = createClient({ baseUrl: 'https://auth.example' });
 *   const tokens = await client.login({ username, password });
 */
import type { Answer, Request } from './answer.js';
import { bearer, endpoint, type OnBehalf, onBehalfOf } from './arguments.js';
import { type CallerOptions, type CallOptions, createCaller } from './caller.js';
import { callTimeoutMs } from './deadline.js';
import type { RuleName } from './retry.js';
import {
  type Identity,
  type Login,
  readIdentity,
  readLogin,
  readSessions,
  readTokens,
  readUser,
  type Session,
  type Tokens,
  type User,
} from './shapes.js';

export type ClientOptions = CallerOptions & { baseUrl: string };
export type Client = ReturnType<typeof createClient>;

export type Credentials = {
  username: string;
  password: string;
  scope?: string;
  /** From an earlier login of this device. */
  deviceToken?: string;
  /** A session that outlives the main store; only for users who are allowed one. */
  critical?: boolean;
};

type Wanted = { method: string; path: string; token?: string; body?: object };

export const createClient = ({ baseUrl, ...options }: ClientOptions) => {
  const call = createCaller(options);
  const urlOf = endpoint(baseUrl);

  const requestOf = ({ method, path, token, body }: Wanted, user: OnBehalf): Request => ({
    method,
    url: urlOf(path),
    headers: {
      accept: 'application/json',
      ...(token === undefined ? {} : { authorization: bearer(token) }),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...onBehalfOf(user),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });

  const ask = async (
    wanted: Wanted,
    rule: RuleName,
    its: CallOptions | undefined,
  ): Promise<Answer> => {
    const request = requestOf(wanted, its ?? {});
    const lane = rule === 'idempotent' || rule === 'refresh' ? 'session' : 'password';
    return call({ lane, rule, request: () => request }, its);
  };

  const endSessions = async (token: string, path: string, its?: CallOptions): Promise<void> => {
    await ask({ method: 'DELETE', path, token }, 'idempotent', its);
  };

  return {
    /** What a call has that does not say otherwise; a user session keeps to it, too. */
    timeoutMs: options.timeoutMs ?? callTimeoutMs,

    /** account_exists also after a first try whose answer was lost (`mayHaveRun` told so then). */
    register: async (
      { username, password }: { username: string; password: string },
      its?: CallOptions,
    ): Promise<User> => {
      const body = { username, password };
      return readUser(await ask({ method: 'POST', path: '/v1/users', body }, 'write', its));
    },

    login: async (credentials: Credentials, its?: CallOptions): Promise<Login> => {
      const { deviceToken, ...body } = credentials;
      const sent = deviceToken === undefined ? body : { ...body, device_token: deviceToken };
      const wanted = { method: 'POST', path: '/v1/login', body: sent };
      return readLogin(await ask(wanted, 'login', its));
    },

    /**
     * Whose token it is. Refused tokens are `rejected` errors (token_invalid, token_expired,
     * session_ended); any other kind means that nobody knows, never that the token is bad.
     */
    verify: async (token: string, its?: CallOptions): Promise<Identity> =>
      readIdentity(await ask({ method: 'GET', path: '/v1/verify', token }, 'idempotent', its)),

    /** Spends the refresh token. Rather let createUserSession do it, which shares and saves. */
    refresh: async (refreshToken: string, its?: CallOptions): Promise<Tokens> => {
      const body = { refresh_token: refreshToken };
      const wanted = { method: 'POST', path: '/v1/refresh', body };
      return readTokens(await ask(wanted, 'refresh', its));
    },

    logout: async (token: string, its?: CallOptions): Promise<void> => {
      await ask({ method: 'POST', path: '/v1/logout', token }, 'idempotent', its);
    },

    /**
     * Everything issued before is dead afterwards, `token` included: go on with the tokens that come
     * back. After an error with `mayHaveRun` the new password may be the one that counts.
     */
    changePassword: async (
      token: string,
      { currentPassword, newPassword }: { currentPassword: string; newPassword: string },
      its?: CallOptions,
    ): Promise<Tokens> => {
      const body = { current_password: currentPassword, new_password: newPassword };
      const wanted = { method: 'POST', path: '/v1/password', token, body };
      return readTokens(await ask(wanted, 'change', its));
    },

    /** With the one-time token that an administrator has made; ends all sessions, opens none. */
    resetPassword: async (
      { resetToken, newPassword }: { resetToken: string; newPassword: string },
      its?: CallOptions,
    ): Promise<void> => {
      const body = { reset_token: resetToken, new_password: newPassword };
      await ask({ method: 'POST', path: '/v1/password', body }, 'login', its);
    },

    sessions: {
      list: async (token: string, its?: CallOptions): Promise<Session[]> =>
        readSessions(await ask({ method: 'GET', path: '/v1/sessions', token }, 'idempotent', its)),
      end: (token: string, sessionId: string, its?: CallOptions): Promise<void> =>
        endSessions(token, `/v1/sessions/${encodeURIComponent(sessionId)}`, its),
      /** session_ended says that the first try, whose answer was lost, has done it. */
      endAll: (token: string, its?: CallOptions): Promise<void> =>
        endSessions(token, '/v1/sessions', its),
      /** All but the one of this token. */
      endOthers: (token: string, its?: CallOptions): Promise<void> =>
        endSessions(token, '/v1/sessions?keep=current', its),
    },
  };
};
