/**
 * The outside of an access token: compact form, letters of base64url only, each part in its canonical
 * spelling, and JSON in the one spelling that JSON.stringify has (so no member twice, no escapes, no
 * 6e2), because two texts that mean one thing are one too many. Its header is exactly one of ours.
 * What is read here throws token_invalid; nothing here makes a token valid.
 */
import { isUtf8 } from 'node:buffer';
import { isObject } from '../../shared/json.js';
import { invalid } from './invalid.js';

const maxLength = 8192;
/** Anything else, such as jwk, jku, x5c or crit, is nothing we ever wrote. */
const names = ['alg', 'typ', 'kid'];
const compact = /^[\w-]+\.[\w-]+\.[\w-]+$/;

export type Header = { kid: string; alg: string };
export type Parts = { header: string; payload: string; signature: string };
type Json = Readonly<Record<string, unknown>>;

/** The three parts, none of them looked into. */
export const splitToken = (token: string): Parts => {
  const first = token.indexOf('.');
  const second = token.indexOf('.', first + 1);
  const hasThree = first > 0 && second > first + 1 && second < token.length - 1;
  if (token.length > maxLength || !hasThree) throw invalid('not in compact form');
  const header = token.slice(0, first);
  const payload = token.slice(first + 1, second);
  return { header, payload, signature: token.slice(second + 1) };
};

const isCanonical = (part: string): boolean =>
  Buffer.from(part, 'base64url').toString('base64url') === part;

/** One token, one spelling; whose it is and what it says does not matter. The length is the caller's business. */
export const isCompact = (token: string): boolean =>
  compact.test(token) && token.split('.').every(isCanonical);

/** The bytes of a part. Decoding passes over what it does not know; encoding again shows that. */
export const decodePart = (part: string): Buffer => {
  const bytes = Buffer.from(part, 'base64url');
  if (bytes.toString('base64url') !== part) throw invalid('not canonical');
  return bytes;
};

const parseCanonical = (bytes: Buffer): unknown => {
  try {
    const text = bytes.toString('utf8');
    const value: unknown = isUtf8(bytes) ? JSON.parse(text) : undefined;
    if (JSON.stringify(value) === text) return value;
  } catch {
    // Not JSON, or nested too deep to be written again; V8's message would quote it.
  }
  throw invalid('not canonical JSON');
};

/** The object that these bytes are. */
export const parseObject = (bytes: Buffer): Json => {
  const value = parseCanonical(bytes);
  if (!isObject(value)) throw invalid('not an object');
  return value;
};

/** Key id and algorithm as the token claims them. */
export const parseHeader = (part: string): Header => {
  const header = parseObject(decodePart(part));
  if (Object.keys(header).some((name) => !names.includes(name))) throw invalid('header');
  const { kid, alg, typ } = header;
  if (typeof kid !== 'string' || typeof alg !== 'string') throw invalid('kid or alg');
  if (typ !== 'at+jwt' && typ !== 'application/at+jwt') throw invalid('typ');
  return { kid, alg };
};
