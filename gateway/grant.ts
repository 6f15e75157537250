/**
 * From a session to the answer that carries its tokens (RFC 6749 § 5.1 and what browsers' own code
 * needs besides), and the scopes that a login may have.
 */
import { AppError } from '../shared/errors.js';
import type { Reply } from '../shared/http.js';
import type { Sign } from './tokens/sign.js';

export type Granted = {
  userId: string;
  sessionId: string;
  gen: number;
  scope: string;
  clientId: string;
  refreshToken: string;
};

export type Grant = ReturnType<typeof createGrant>;

/** The client of every login here; refresh at /v1/refresh is for families of this one only. */
export const publicClient = 'floodgate';

/** requested ∩ allowed, or AppError invalid_scope when the request is wider (or malformed). */
export const grantScope = (allowed: string, requested: string | undefined): string => {
  if (requested === undefined) return allowed;
  const names = new Set(allowed.split(' '));
  const wanted = requested.split(' ');
  if (!wanted.every((name) => names.has(name))) throw new AppError('invalid_scope');
  return [...new Set(wanted)].join(' ');
};

/**
 * The same for a browser whose session is in a cookie: neither access nor refresh token, because what a
 * page's scripts can read they can also leak.
 */
export const grantCookie = (
  { userId, sessionId, scope }: Omit<Granted, 'refreshToken' | 'clientId' | 'gen'>,
  headers: Record<string, string>,
  more: Record<string, unknown> = {},
): Reply => ({
  status: 200,
  headers,
  body: { session_id: sessionId, user_id: userId, scope, ...more },
});

export const createGrant =
  ({ sign }: { sign: Sign }) =>
  (granted: Granted, more: Record<string, unknown> = {}): Reply => {
    const { userId, sessionId, gen, scope, clientId, refreshToken } = granted;
    const { token, expiresInSeconds } = sign({ userId, sessionId, gen, scope, clientId });
    return {
      status: 200,
      body: {
        access_token: token,
        token_type: 'Bearer',
        expires_in: expiresInSeconds,
        refresh_token: refreshToken,
        session_id: sessionId,
        user_id: userId,
        scope,
        ...more,
      },
    };
  };
