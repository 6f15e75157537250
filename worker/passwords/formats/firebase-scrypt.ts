/**
 * Firebase's scrypt as its own export and other products write it. The signer key is a secret of the
 * whole project. Kratos, ZITADEL and GoTrue repeat it in every row: it is handed over as `secret`, for
 * the import to file under a key id. The others leave it to the configuration: option `key` is its id.
 */
import { isKeyId } from '../keys.js';
import type { Format, Options, Parsed, ParseProblem } from './format.js';
import { outside, unread } from './malformed.js';
import { readAnyBase64, readDecimal, readHex, readPaddedBase64 } from './strict.js';

type Bytes = Uint8Array | undefined;
type Read = (text: string) => Bytes;

/** The hash is the encrypted signer key, so both have the same length: 64 bytes at Firebase. */
const signerBytes = 64;

const join = (
  [lnText, rText]: readonly [string, string],
  [salt, sep, digest]: readonly [Bytes, Bytes, Bytes],
  key: string,
): Parsed | ParseProblem => {
  const ln = readDecimal(lnText);
  const r = readDecimal(rText);
  if (ln === undefined || r === undefined) return unread({ ln, r });
  if (salt === undefined || sep === undefined || digest === undefined)
    return unread({ salt, separator: sep, digest });
  if (digest.length !== signerBytes) return 'hash_length';
  return { recipe: { kind: 'fbscrypt', params: { ln, r, salt, sep, key } }, digest };
};

/** Of a row with the signer key, which has no key id yet. */
export const joinFirebase = (
  size: readonly [ln: string, r: string],
  bytes: readonly [salt: Bytes, sep: Bytes, digest: Bytes],
  { secret }: { secret: Bytes },
): Parsed | ParseProblem => {
  const parsed = join(size, bytes, '-');
  if (typeof parsed === 'string') return parsed;
  if (secret === undefined) return 'hash_malformed:signer key';
  return secret.length === signerBytes ? { ...parsed, secret } : 'hash_length';
};

/** The groups of `grammar` have the names used here. */
const withSigner = (grammar: RegExp, read: Read, stored: string): Parsed | ParseProblem => {
  const match = grammar.exec(stored);
  if (match === null) return outside(grammar, stored);
  const { ln = '', r = '', salt = '', hash = '', sep = '', signer = '' } = match.groups ?? {};
  const bytes = [read(salt), read(sep), read(hash)] as const;
  return joinFirebase([ln, r], bytes, { secret: read(signer) });
};

const kratosGrammar =
  /^\$firescrypt\$ln=(?<ln>\d{1,2}),r=(?<r>\d{1,3}),p=1\$(?<salt>[^$]{1,88})\$(?<hash>[^$]{1,88})\$(?<sep>[^$]{0,88})\$(?<signer>[^$]{1,88})$/;

const kratos: Format = {
  id: 'firebase-scrypt-kratos',
  hasSecret: true,
  parse: (stored) => withSigner(kratosGrammar, readPaddedBase64, stored),
};

const zitadelGrammar =
  /^\$firebasescrypt\$ln=(?<ln>\d{1,2}),r=(?<r>\d{1,3})\$(?<salt>[^$]{1,88})\$(?<hash>[^$]{1,88})\$(?<sep>[^$]{0,88})\$(?<signer>[^$]{1,88})$/;

const zitadel: Format = {
  id: 'firebase-scrypt-zitadel',
  hasSecret: true,
  parse: (stored) => withSigner(zitadelGrammar, readAnyBase64, stored),
};

/** GoTrue (Supabase) and Hanko: `$fbscrypt$v=1,n=14,r=8,p=1,ss=…,sk=…$salt$hash`, n being the logarithm. */
const gotrueGrammar =
  /^\$fbscrypt\$v=1,n=(?<ln>\d{1,2}),r=(?<r>\d{1,3}),p=1(?:,ss=(?<sep>[^,$]{1,88}))?,sk=(?<signer>[^,$]{1,88})\$(?<salt>[^$]{1,88})\$(?<hash>[^$]{1,88})$/;

const gotrue: Format = {
  id: 'firebase-scrypt-gotrue',
  hasSecret: true,
  parse: (stored) => withSigner(gotrueGrammar, readPaddedBase64, stored),
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
    if (!isKeyId(key)) return 'hash_option';
    const match = supertokensGrammar.exec(stored);
    if (match === null) return outside(supertokensGrammar, stored);
    const [, hash = '', salt = '', ln = '', r = '', sep = ''] = match;
    const read = readPaddedBase64;
    return join([ln, r], [read(salt), read(sep), read(hash)], key);
  },
};

/** An option's bytes, in the encoding that the option `<name>-encoding` declares. */
const readOption = (options: Options, name: string): Bytes => {
  const text = options[name];
  const encoding = options[`${name}-encoding`] ?? 'base64';
  if (text === undefined) return undefined;
  if (encoding === 'utf8') return Buffer.from(text);
  if (encoding === 'hex') return readHex(text);
  return encoding === 'base64' ? readAnyBase64(text) : undefined;
};

/**
 * Firebase's export: the string is the hash alone, in base64. Options: `salt` and `sep` (base64, or as
 * `salt-encoding` and `sep-encoding` say), `ln` (mem_cost), `r` (rounds) and `key`.
 */
const exported: Format = {
  id: 'firebase-scrypt',
  parse: (stored, options) => {
    const { ln = '', r = '', key = '', encoding = 'base64' } = options;
    const salt = readOption(options, 'salt');
    const sep = readOption(options, 'sep');
    if (readDecimal(ln) === undefined || readDecimal(r) === undefined || !isKeyId(key))
      return 'hash_option';
    if (salt === undefined || sep === undefined) return 'hash_option';
    return join(
      [ln, r],
      [salt, sep, readOption({ hash: stored, 'hash-encoding': encoding }, 'hash')],
      key,
    );
  },
};

export const firebaseFormats: readonly Format[] = [
  ...[kratos, zitadel, gotrue],
  ...[supertokens, exported],
];
