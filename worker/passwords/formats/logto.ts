/**
 * Logto's "Legacy" digest: `["sha256",["salt","@"],"hex"]`, the arguments joined with `@` standing for
 * the password; `"pbkdf2"` takes salt, iterations, key length, function and `@`.
 */
import { digestBytes } from '../recipes/fast-hash.js';
import { digestRecipe, joinDigest } from './digest-text.js';
import type { Format, HashProblem, Parsed } from './format.js';
import { joinPbkdf2 } from './pbkdf2.js';
import { readDecimal, readHex } from './strict.js';

type Legacy = { alg: string; args: string[]; digest: Buffer };

const parseJson = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
};

const readLegacy = (text: string): Legacy | undefined => {
  const value = parseJson(text);
  if (!Array.isArray(value) || value.length !== 3) return undefined;
  const [alg, args, digestText]: unknown[] = value;
  if (typeof alg !== 'string' || typeof digestText !== 'string') return undefined;
  if (!Array.isArray(args) || !args.every((arg) => typeof arg === 'string')) return undefined;
  const digest = readHex(digestText);
  return digest === undefined ? undefined : { alg, args, digest };
};

/** Joined around one `@`: the usual shapes are plain recipes, anything else is a template. */
const readJoined = ({ alg, args, digest }: Legacy): Parsed | HashProblem => {
  const at = args.indexOf('@');
  if (at < 0 || args.some((arg) => /\{(SALT|PASSWORD)\}/.test(arg))) return 'hash_malformed';
  const before = Buffer.from(args.slice(0, at).join(''));
  const after = Buffer.from(args.slice(at + 1).join(''));
  if (args.lastIndexOf('@') !== at || (before.length > 0 && after.length > 0)) {
    const pf = Buffer.from(args.map((arg) => (arg === '@' ? '{PASSWORD}' : arg)).join(''));
    return joinDigest({ kind: 'template', params: { alg, pf, salt: Buffer.alloc(0) } }, digest);
  }
  if (before.length > 0) return joinDigest(digestRecipe(alg, 'sp', before), digest);
  if (after.length > 0) return joinDigest(digestRecipe(alg, 'ps', after), digest);
  return joinDigest(digestRecipe(alg, 'p'), digest);
};

const readPbkdf2 = ({ args, digest }: Legacy): Parsed | HashProblem => {
  const [salt, iterations = '', length = '', prf = '', place] = args;
  const bytes = readDecimal(length);
  if (salt === undefined || bytes === undefined || place !== '@' || args.length !== 5)
    return 'hash_malformed';
  if (bytes < 16) return 'hash_length';
  return joinPbkdf2(prf, iterations, Buffer.from(salt), digest, bytes);
};

export const logto: Format = {
  id: 'logto-legacy',
  parse: (text) => {
    const legacy = readLegacy(text);
    if (legacy === undefined) return 'hash_malformed';
    if (legacy.alg === 'pbkdf2') return readPbkdf2(legacy);
    return digestBytes(legacy.alg) === 0 ? 'hash_unknown' : readJoined(legacy);
  },
};
