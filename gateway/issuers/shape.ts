/**
 * What a bearer token looks like from outside, to find out whom it concerns. Nothing here makes a token
 * valid, and nothing that it says is believed before its issuer has confirmed it.
 */
import { isObject } from '../../shared/json.js';
import { isCompact } from '../tokens/parse.js';

export type Shape =
  | { kind: 'jwt'; alg: string; kid: string | undefined; typ: string | undefined; iss: string }
  | { kind: 'opaque' };

/** Larger than that fits into no header of ours anyway. */
const maxLength = 12_288;
const opaque = /^[A-Za-z0-9\-._~+/]+=*$/;
/** Our sessions, refresh and device tokens begin with an account key. They are shown to nobody. */
const ours = /^[\w-]{22}\./;

const parse = (part: string | undefined): Record<string, unknown> | undefined => {
  try {
    const value: unknown = JSON.parse(Buffer.from(part ?? '', 'base64url').toString('utf8'));
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
};

const textOf = (value: unknown): string | undefined =>
  typeof value === 'string' ? value : undefined;

/** Undefined: nothing that another issuer could have issued. */
export const shapeOf = (token: string): Shape | undefined => {
  if (token.length > maxLength) return undefined;
  const parts = token.split('.');
  const header = parts.length > 1 ? parse(parts[0]) : undefined;
  // Dots alone make no JWT, an encrypted one says nothing; a header with an algorithm makes it one,
  // and then it is well-formed or nothing: it must not get to an issuer that it does not name.
  if (header === undefined || typeof header.alg !== 'string' || header.enc !== undefined)
    return opaque.test(token) && !ours.test(token) ? { kind: 'opaque' } : undefined;
  const iss = textOf(parse(parts[1])?.iss);
  if (iss === undefined || !isCompact(token)) return undefined;
  return { kind: 'jwt', alg: header.alg, kid: textOf(header.kid), typ: textOf(header.typ), iss };
};
