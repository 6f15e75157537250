/**
 * The session cookie on the wire: `__Host-floodgate=<session id>.<secret>`. The prefix makes browsers
 * take it only over TLS, for this very host and all its paths, so no other host can plant one; it is out
 * of reach for scripts, and not sent with another site's forms and fetches (RFC 6265bis § 4.1.3, § 5.8.3).
 */
import { createHash, randomBytes } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { AppError } from '../../shared/errors.js';

export const cookieName = '__Host-floodgate';
const attributes = 'Path=/; HttpOnly; Secure; SameSite=Lax';
const form = /^([\w-]{22})\.([\w-]{22})\.([\w-]{43})$/;

/** The value of our cookie, or undefined. Throws bad_request when there are two: which one is meant? */
export const cookieOf = (req: IncomingMessage): string | undefined => {
  const header = req.headers.cookie;
  if (header === undefined || !header.includes(cookieName)) return undefined;
  const values = header
    .split(';')
    .map((pair) => pair.trim())
    .filter((pair) => pair.startsWith(`${cookieName}=`));
  if (values.length > 1) throw new AppError('bad_request', { reason: 'duplicate_cookie' });
  return values[0]?.slice(cookieName.length + 1);
};

/** Throws token_invalid for what is no cookie of ours, without asking the store. */
export const parseCookie = (value: string): { u: string; id: string; secret: string } => {
  const [, u, id, secret] = form.exec(value) ?? [];
  if (!u || !id || !secret) throw new AppError('token_invalid');
  return { u, id, secret };
};

/** 256 random bits: the part of a cookie that the store has only as a hash. */
export const newSecret = (): string => randomBytes(32).toString('base64url');

/** What the session record has of the secret; nothing in it can be replayed. */
export const hashSecret = (secret: string): string =>
  createHash('sha256').update(secret).digest('base64url');

/** The header that sets the cookie, for as long as a session may live at the most. */
export const setCookie = (sessionId: string, secret: string, maxMs: number) => ({
  'set-cookie': `${cookieName}=${sessionId}.${secret}; Max-Age=${Math.floor(maxMs / 1000)}; ${attributes}`,
});

export const clearCookie = { 'set-cookie': `${cookieName}=; Max-Age=0; ${attributes}` };
