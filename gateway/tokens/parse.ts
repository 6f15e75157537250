/**
 * The outside of an access token, before its signature is looked at: compact form, letters of
 * base64url only, each part in its canonical spelling (jose takes others too), and a header that is
 * exactly one of ours. Everything here throws token_invalid; nothing here makes a token valid.
 */
import { AppError } from '../../shared/errors.js';

const maxLength = 8192;
const compact = /^[\w-]+\.[\w-]+\.[\w-]+$/;
/** Anything else, such as jwk, jku, x5c or crit, is nothing we ever wrote. */
const names = ['alg', 'typ', 'kid'];

const invalid = (detail: string) => new AppError('token_invalid', { detail });

const isCanonical = (part: string): boolean =>
  Buffer.from(part, 'base64url').toString('base64url') === part;

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const parseJson = (part: string): unknown => {
  try {
    return JSON.parse(Buffer.from(part, 'base64url').toString('utf8'));
  } catch {
    throw invalid('header is not JSON');
  }
};

/** Key id and algorithm as the token claims them. */
export const parseHeader = (token: string): { kid: string; alg: string } => {
  if (token.length > maxLength || !compact.test(token)) throw invalid('not in compact form');
  const parts = token.split('.');
  if (!parts.every(isCanonical)) throw invalid('not canonical');
  const header = parseJson(parts[0] ?? '');
  if (!isObject(header) || Object.keys(header).some((name) => !names.includes(name)))
    throw invalid('header');
  const { kid, alg, typ } = header;
  if (typeof kid !== 'string' || typeof alg !== 'string') throw invalid('kid or alg');
  if (typ !== 'at+jwt' && typ !== 'application/at+jwt') throw invalid('typ');
  return { kid, alg };
};
