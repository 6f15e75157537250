/**
 * Who is calling: a bearer token where there is an Authorization header, else the session cookie of a
 * browser. Every route that needs a caller asks here, so the rule is the same everywhere.
 */
import type { IncomingMessage } from 'node:http';
import { AppError } from '../shared/errors.js';
import { bearerOf } from './bearer.js';
import type { Origins } from './origins.js';
import { cookieOf } from './sessions/cookie.js';
import type { CookieSessions } from './sessions/cookie-sessions.js';
import type { Claims, Verifier } from './tokens/verify.js';

/** `isCookie` is there and true for the caller behind a cookie. */
export type Caller = Claims & { readonly isCookie?: true };
export type Callers = ReturnType<typeof createCallers>;
export type Identify<T> = (req: IncomingMessage) => T | Promise<T>;

const hasBearer = (req: IncomingMessage): boolean => req.headers.authorization !== undefined;

/** The cookie of a request without a bearer token. Throws token_missing when there is neither. */
const requireCookie = (req: IncomingMessage): string => {
  const cookie = cookieOf(req);
  if (cookie === undefined) throw new AppError('token_missing');
  return cookie;
};

/**
 * For what only reads. At once (returned or thrown) when the caller is known, else as a promise.
 * Throws as `verify` and the check of cookies do, token_missing, and bad_request for two cookies.
 */
export const createIdentify =
  <T>({
    verify,
    cookies,
  }: {
    verify: (token: string) => T | Promise<T>;
    cookies: Pick<CookieSessions, 'check'>;
  }): Identify<T | Caller> =>
  (req) =>
    hasBearer(req) ? verify(bearerOf(req)) : cookies.check(requireCookie(req));

export const createCallers = ({
  verify,
  verifyForLogout,
  verifyToEndAll,
  cookies,
  origins,
}: {
  verify: Verifier['verify'];
  verifyForLogout: Verifier['verifyForLogout'];
  verifyToEndAll: Verifier['verifyToEndAll'];
  cookies: Pick<CookieSessions, 'check' | 'checkForLogout'>;
  origins: Pick<Origins, 'guard'>;
}) => {
  const identify: Identify<Caller> = createIdentify({ verify, cookies });
  const guarded =
    (ask: Identify<Caller>): Identify<Caller> =>
    (req) => {
      if (!hasBearer(req) && cookieOf(req) !== undefined) origins.guard(req);
      return ask(req);
    };

  return {
    identify,

    /** For what changes something: a cookie also needs a page that may. Also throws origin_refused. */
    identifyToChange: guarded(identify),

    /** The same for the end of all sessions, which a token may repeat. */
    identifyToEndAll: guarded(createIdentify({ verify: verifyToEndAll, cookies })),

    /** For logout: undefined when a cookie's session is over, which is as good as ended again. */
    identifyForLogout: async (req: IncomingMessage): Promise<Caller | undefined> => {
      if (hasBearer(req)) return verifyForLogout(bearerOf(req));
      const cookie = requireCookie(req);
      origins.guard(req);
      return cookies.checkForLogout(cookie);
    },

    /** The session that a browser still has when it signs in anew; undefined also when we cannot say. */
    findPrevious: async (req: IncomingMessage): Promise<Caller | undefined> => {
      try {
        const cookie = cookieOf(req);
        return cookie === undefined ? undefined : await cookies.checkForLogout(cookie);
      } catch {
        return undefined;
      }
    },
  };
};
