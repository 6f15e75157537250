/**
 * scrypt in the spellings of several products. Some write N, some its logarithm, and `$scrypt$ln=` is
 * N itself in Kratos and the logarithm in passlib, so that prefix means nothing until it is declared;
 * nor does `$7$`, which is libxcrypt's and passwap's. Every product has digests of one length.
 */
import type { Format, Parsed, ParseProblem } from './format.js';
import { outside, unread } from './malformed.js';
import {
  readBase64,
  readCrypt64,
  readCryptNumber,
  readDecimal,
  readHex,
  readPaddedBase64,
} from './strict.js';

/** The logarithm of a power of two from 2 to 2^33. */
const logOf = (text: string): number | undefined => {
  const n = readDecimal(text) ?? 0;
  const ln = Math.round(Math.log2(n));
  return ln >= 1 && 2 ** ln === n ? ln : undefined;
};

/** The parts of any spelling as one; `bytes` is the length that the digest must have. */
export const joinScrypt = (
  size: { ln: number | undefined; r: number | undefined; p: number | undefined },
  salt: Uint8Array | undefined,
  digest: Uint8Array | undefined,
  bytes: number,
): Parsed | ParseProblem => {
  const { ln, r, p } = size;
  if (ln === undefined || r === undefined || p === undefined) return unread({ N: ln, r, p });
  if (salt === undefined || digest === undefined) return unread({ salt, digest });
  if (digest.length !== bytes) return 'hash_length';
  return { recipe: { kind: 'scrypt', params: { ln, r, p, salt } }, digest };
};

/** passlib and passwap: `$scrypt$ln=16,r=8,p=1$salt$digest`; passwap also as `$7$ln=…`. */
const phcGrammar =
  /^\$(?:scrypt|7)\$ln=(\d{1,2}),r=(\d{1,3}),p=(\d{1,3})\$([A-Za-z0-9+/]{0,86})\$([A-Za-z0-9+/]{1,86})$/;

const phc: Format = {
  id: 'scrypt-phc',
  parse: (stored) => {
    const match = phcGrammar.exec(stored);
    if (match === null) return outside(phcGrammar, stored);
    const [ln, r, p] = match.slice(1, 4).map(readDecimal);
    return joinScrypt({ ln, r, p }, readBase64(match[4] ?? ''), readBase64(match[5] ?? ''), 32);
  },
};

/** Kratos: `$scrypt$ln=16384,r=8,p=1$salt$digest`, base64 with padding. */
const kratosGrammar =
  /^\$scrypt\$ln=(\d{1,10}),r=(\d{1,3}),p=(\d{1,3})\$([A-Za-z0-9+/=]{1,88})\$([A-Za-z0-9+/=]{1,88})$/;

const kratos: Format = {
  id: 'scrypt-kratos',
  parse: (stored) => {
    const match = kratosGrammar.exec(stored);
    if (match === null) return outside(kratosGrammar, stored);
    const [, n = '', r = '', p = '', salt = '', digest = ''] = match;
    const size = { ln: logOf(n), r: readDecimal(r), p: readDecimal(p) };
    return joinScrypt(size, readPaddedBase64(salt), readPaddedBase64(digest), 32);
  },
};

/** Django: `scrypt$16384$salt$8$1$digest`. The salt is the text itself. */
const djangoGrammar =
  /^scrypt\$(\d{1,10})\$([\x21-\x23\x25-\x7e]{1,64})\$(\d{1,3})\$(\d{1,3})\$([A-Za-z0-9+/=]{1,88})$/;

const django: Format = {
  id: 'scrypt-django',
  identify: (stored) => /^scrypt\$\d/.test(stored),
  parse: (stored) => {
    const match = djangoGrammar.exec(stored);
    if (match === null) return outside(djangoGrammar, stored);
    const [, n = '', salt = '', r = '', p = '', digest = ''] = match;
    const size = { ln: logOf(n), r: readDecimal(r), p: readDecimal(p) };
    return joinScrypt(size, Buffer.from(salt), readPaddedBase64(digest), 64);
  },
};

/** werkzeug: `scrypt:32768:8:1$salt$hex`. The salt is the text itself. */
const werkzeugGrammar =
  /^scrypt:(\d{1,10}):(\d{1,3}):(\d{1,3})\$([\x21-\x23\x25-\x7e]{1,64})\$([0-9a-f]{1,128})$/;

const werkzeug: Format = {
  id: 'scrypt-werkzeug',
  identify: (stored) => /^scrypt:\d/.test(stored),
  parse: (stored) => {
    const match = werkzeugGrammar.exec(stored);
    if (match === null) return outside(werkzeugGrammar, stored);
    const [, n = '', r = '', p = '', salt = '', digest = ''] = match;
    const size = { ln: logOf(n), r: readDecimal(r), p: readDecimal(p) };
    return joinScrypt(size, Buffer.from(salt), readHex(digest), 64);
  },
};

/** hashcat: `SCRYPT:16384:8:1:salt:digest` in base64. */
const hashcatGrammar =
  /^SCRYPT:(\d{1,10}):(\d{1,3}):(\d{1,3}):([A-Za-z0-9+/=]{1,88}):([A-Za-z0-9+/=]{1,88})$/;

const hashcat: Format = {
  id: 'scrypt-hashcat',
  identify: (stored) => /^SCRYPT:\d/.test(stored),
  parse: (stored) => {
    const match = hashcatGrammar.exec(stored);
    if (match === null) return outside(hashcatGrammar, stored);
    const [, n = '', r = '', p = '', salt = '', digest = ''] = match;
    const size = { ln: logOf(n), r: readDecimal(r), p: readDecimal(p) };
    return joinScrypt(size, readPaddedBase64(salt), readPaddedBase64(digest), 32);
  },
};

/**
 * libxcrypt's `$7$`: one character of N's logarithm, five each of r and p, the salt as text, a digest
 * of 43 characters. It is scrypt and nothing else, so no library is needed.
 */
const crypt7Grammar =
  /^\$7\$([./0-9A-Za-z])([./0-9A-Za-z]{5})([./0-9A-Za-z]{5})([./0-9A-Za-z]{0,64})\$([./0-9A-Za-z]{43})$/;

const crypt7: Format = {
  id: 'scrypt-crypt7',
  parse: (stored) => {
    const match = crypt7Grammar.exec(stored);
    if (match === null) return outside(crypt7Grammar, stored);
    const [, logText = '', rText = '', pText = '', salt = '', digest = ''] = match;
    const [ln, r, p] = [logText, rText, pText].map(readCryptNumber);
    return joinScrypt({ ln, r, p }, Buffer.from(salt), readCrypt64(digest), 32);
  },
};

export const scryptFormats: readonly Format[] = [
  ...[phc, kratos, crypt7],
  ...[django, werkzeug, hashcat],
];
