/**
 * Logto's "Legacy" digest: `["sha256",["salt","@"],"hex"]`, the arguments joined with `@` standing for
 * the password; `"pbkdf2"` takes salt (text, or `hex:` and hex digits), iterations, key length, function
 * and `@`; `"firebase-scrypt"` salt, signer key, salt separator, rounds, memory cost and `@`, and its
 * digest is base64. That signer key is the project's secret in every row: it goes to the key ring.
 */
import { digestBytes } from '../recipes/fast-hash.js';
import { digestRecipe, joinDigest } from './digest-text.js';
import { joinFirebase } from './firebase-scrypt.js';
import type { Format, Parsed, ParseProblem } from './format.js';
import { joinPbkdf2 } from './pbkdf2.js';
import { readAnyBase64, readDecimal, readHex, readPaddedBase64 } from './strict.js';

type Legacy = { alg: string; args: string[]; digestText: string };

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
  return { alg, args, digestText };
};

/** Joined around one `@`: the usual shapes are plain recipes, anything else is a template. */
const readJoined = ({ alg, args, digestText }: Legacy): Parsed | ParseProblem => {
  const digest = readHex(digestText);
  const at = args.indexOf('@');
  if (at < 0 || args.some((arg) => /\{(SALT|PASSWORD)\}/.test(arg)))
    return 'hash_malformed:arguments';
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

const readSalt = (text: string): Buffer | undefined =>
  text.startsWith('hex:') ? readHex(text.slice(4)) : Buffer.from(text);

const readPbkdf2 = ({ args, digestText }: Legacy): Parsed | ParseProblem => {
  const [salt, iterations = '', length = '', prf = '', place] = args;
  const bytes = readDecimal(length);
  if (salt === undefined || bytes === undefined || place !== '@' || args.length !== 5)
    return 'hash_malformed:arguments';
  if (bytes < 16) return 'hash_length';
  return joinPbkdf2(prf, iterations, readSalt(salt), readHex(digestText), bytes);
};

/** Its arguments are base64 as Firebase's console or as its library writes them. */
const readFirebase = ({ args, digestText }: Legacy): Parsed | ParseProblem => {
  const [salt = '', signer = '', sep = '', r = '', ln = '', place] = args;
  if (place !== '@' || args.length !== 6) return 'hash_malformed:arguments';
  const [saltBytes, sepBytes] = [salt, sep].map(readAnyBase64);
  const bytes = [saltBytes, sepBytes, readPaddedBase64(digestText)] as const;
  return joinFirebase([ln, r], bytes, { secret: readAnyBase64(signer) });
};

export const logto: Format = {
  id: 'logto-legacy',
  parse: (text) => {
    const legacy = readLegacy(text);
    if (legacy === undefined) return 'hash_malformed:JSON';
    if (/^pbkdf2(Sync)?$/.test(legacy.alg)) return readPbkdf2(legacy);
    if (legacy.alg === 'firebase-scrypt') return readFirebase(legacy);
    return digestBytes(legacy.alg) === 0 ? 'hash_unknown' : readJoined(legacy);
  },
};
