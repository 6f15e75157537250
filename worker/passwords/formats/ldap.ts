/**
 * LDAP's `{SCHEME}base64(digest || salt)` (RFC 2307 and OpenLDAP's sha2 module), and `{CRYPT}` with any
 * crypt(3) string. Scheme names are case-insensitive. `{MD5}` and `{SHA256}` are also Spring's, with
 * hex behind them, so those two must be declared.
 */
import { digestBytes } from '../recipes/fast-hash.js';
import { argon2 } from './argon2.js';
import { bcrypt } from './bcrypt.js';
import { digestRecipe } from './digest-text.js';
import type { Format, Parsed, ParseProblem } from './format.js';
import { outside, shifted, unread } from './malformed.js';
import { md5Crypt } from './md5-crypt.js';
import { isPlaintext, isUnusable } from './never.js';
import { pbkdf2Formats } from './pbkdf2-others.js';
import { scryptFormats } from './scrypt.js';
import { shaCrypt } from './sha-crypt.js';
import { readPaddedBase64 } from './strict.js';
import { yescryptFormats } from './yescrypt.js';

const unambiguous = /^\{(SHA|SSHA|SMD5|SSHA256|SSHA384|SSHA512|SHA384|SHA512|CRYPT)\}/i;
const grammar = /^\{([A-Za-z0-9]+)\}(.*)$/;

const schemes: ReadonlyMap<string, { alg: string; isSalted: boolean }> = new Map([
  ['MD5', { alg: 'md5', isSalted: false }],
  ['SMD5', { alg: 'md5', isSalted: true }],
  ['SHA', { alg: 'sha1', isSalted: false }],
  ['SSHA', { alg: 'sha1', isSalted: true }],
  ['SHA256', { alg: 'sha256', isSalted: false }],
  ['SSHA256', { alg: 'sha256', isSalted: true }],
  ['SHA384', { alg: 'sha384', isSalted: false }],
  ['SSHA384', { alg: 'sha384', isSalted: true }],
  ['SHA512', { alg: 'sha512', isSalted: false }],
  ['SSHA512', { alg: 'sha512', isSalted: true }],
]);

/** Behind `{CRYPT}` only crypt(3) stands, so `$7$`, which nobody claims elsewhere, is libxcrypt's. */
const cryptFormats: readonly Format[] = [
  ...[bcrypt, md5Crypt, shaCrypt, ...yescryptFormats],
  ...scryptFormats.filter(({ id }) => id === 'scrypt-crypt7'),
];
/** Schemes with formats of their own, which one directory mixes with the others. */
const elsewhere: readonly Format[] = [argon2, ...pbkdf2Formats];

const readCrypt = (text: string): Parsed | ParseProblem => {
  const format = cryptFormats.find(({ identify }) => identify?.(text) ?? text.startsWith('$7$'));
  return format?.parse(text, {}) ?? 'hash_unknown';
};

const readScheme = (name: string, text: string): Parsed | ParseProblem => {
  const scheme = schemes.get(name);
  if (scheme === undefined) return 'hash_unknown';
  const { alg, isSalted } = scheme;
  const bytes = readPaddedBase64(text);
  if (bytes === undefined) return unread({ digest: bytes });
  const digest = bytes.subarray(0, digestBytes(alg));
  const salt = bytes.subarray(digestBytes(alg));
  if (digest.length !== digestBytes(alg) || salt.length > 0 !== isSalted) return 'hash_length';
  return { recipe: isSalted ? digestRecipe(alg, 'ps', salt) : digestRecipe(alg, 'p'), digest };
};

export const ldap: Format = {
  id: 'ldap',
  identify: (stored) => unambiguous.test(stored) && !isUnusable(stored),
  parse: (text) => {
    if (isPlaintext(text)) return 'hash_plaintext';
    if (isUnusable(text)) return 'hash_unusable';
    const other = elsewhere.find(({ identify }) => text.startsWith('{') && identify?.(text));
    if (other !== undefined) return other.parse(text, {});
    const match = grammar.exec(text);
    if (match === null) return outside(grammar, text);
    const [, name = '', rest = ''] = match;
    if (name.toUpperCase() !== 'CRYPT') return readScheme(name.toUpperCase(), rest);
    return shifted(readCrypt(rest), text.length - rest.length);
  },
};
