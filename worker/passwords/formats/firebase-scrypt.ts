/**
 * Firebase's scrypt as its own export and three other products write it. The signer key is a secret of
 * the whole project. Kratos and ZITADEL repeat it in every row: it is handed over as `secret`, for the
 * import to file under a key id. The others leave it to the configuration: option `key` is its id.
 */
import type { Format, HashProblem, Parsed } from './format.js';
import { isKeyId, readAnyBase64, readDecimal, readPaddedBase64 } from './strict.js';

type Bytes = Uint8Array | undefined;
type Read = (text: string) => Bytes;

/** The hash is the encrypted signer key, so both have the same length: 64 bytes at Firebase. */
const signerBytes = 64;

const join = (
  [lnText, rText]: readonly [string, string],
  [salt, sep, digest]: readonly [Bytes, Bytes, Bytes],
  key: string,
): Parsed | HashProblem => {
  const ln = readDecimal(lnText);
  const r = readDecimal(rText);
  if (ln === undefined || r === undefined) return 'hash_malformed';
  if (salt === undefined || sep === undefined || digest === undefined) return 'hash_malformed';
  if (digest.length !== signerBytes) return 'hash_length';
  return { recipe: { kind: 'fbscrypt', params: { ln, r, salt, sep, key } }, digest };
};

/** `$…$ln=14,r=8$salt$hash$sep$signer` */
const withSigner = (grammar: RegExp, read: Read, stored: string): Parsed | HashProblem => {
  const match = grammar.exec(stored);
  if (match === null) return 'hash_malformed';
  const [, ln = '', r = '', salt = '', hash = '', sep = '', signer = ''] = match;
  const secret = read(signer);
  const parsed = join([ln, r], [read(salt), read(sep), read(hash)], '-');
  if (typeof parsed === 'string') return parsed;
  if (secret === undefined) return 'hash_malformed';
  return secret.length === signerBytes ? { ...parsed, secret } : 'hash_length';
};

const kratosGrammar =
  /^\$firescrypt\$ln=(\d{1,2}),r=(\d{1,3}),p=1\$([^$]{1,88})\$([^$]{1,88})\$([^$]{0,88})\$([^$]{1,88})$/;

const kratos: Format = {
  id: 'firebase-scrypt-kratos',
  parse: (stored) => withSigner(kratosGrammar, readPaddedBase64, stored),
};

const zitadelGrammar =
  /^\$firebasescrypt\$ln=(\d{1,2}),r=(\d{1,3})\$([^$]{1,88})\$([^$]{1,88})\$([^$]{0,88})\$([^$]{1,88})$/;

const zitadel: Format = {
  id: 'firebase-scrypt-zitadel',
  parse: (stored) => withSigner(zitadelGrammar, readAnyBase64, stored),
};

/**
 * SuperTokens. It hashes the password as ASCII with `?` for everything else, so that different
 * passwords match; here it is UTF-8, and such a user has to reset.
 */
const supertokensGrammar =
  /^\$f_scrypt\$([^$]{1,88})\$([^$]{1,88})\$m=(\d{1,2})\$r=(\d{1,3})\$s=([^$]{0,88})$/;

const supertokens: Format = {
  id: 'firebase-scrypt-supertokens',
  parse: (stored, { key = '' }) => {
    const match = supertokensGrammar.exec(stored);
    if (match === null) return 'hash_malformed';
    if (!isKeyId(key)) return 'hash_option';
    const [, hash = '', salt = '', ln = '', r = '', sep = ''] = match;
    const read = readPaddedBase64;
    return join([ln, r], [read(salt), read(sep), read(hash)], key);
  },
};

/**
 * Firebase's export: the string is the base64 of the hash alone. Options: `salt` and `sep` in base64,
 * `ln` (mem_cost), `r` (rounds) and `key`.
 */
const exported: Format = {
  id: 'firebase-scrypt',
  parse: (stored, { salt, sep, ln, r, key = '' }) => {
    if (salt === undefined || sep === undefined || ln === undefined || r === undefined)
      return 'hash_option';
    const read = readAnyBase64;
    const bytes = [read(salt), read(sep), read(stored)] as const;
    const isGiven = readDecimal(ln) !== undefined && readDecimal(r) !== undefined;
    if (!isKeyId(key) || !isGiven || bytes[0] === undefined || bytes[1] === undefined)
      return 'hash_option';
    return join([ln, r], bytes, key);
  },
};

export const firebaseFormats: readonly Format[] = [kratos, zitadel, supertokens, exported];
