/**
 * A fast digest with a salt: `digest:salt` (as hashcat prints it), or the digest alone with the salt
 * as an option of its own. Options: `alg` · `order`, one of salt+password, password+salt, hmac-salt (the
 * salt is the key), hmac-password · `encoding` of the digest, hex or base64 · `salt` and `salt-encoding`
 * (utf8, hex or base64). The order cannot be seen in the string.
 */
import {
  digestRecipe,
  hmacRecipe,
  joinDigest,
  readAlg,
  readEncoded,
  readSalt,
} from './digest-text.js';
import type { Format, Options } from './format.js';

type Make = (alg: string, salt: Uint8Array) => ReturnType<typeof digestRecipe>;

const orders: ReadonlyMap<string, Make> = new Map<string, Make>([
  ['salt+password', (alg, salt) => digestRecipe(alg, 'sp', salt)],
  ['password+salt', (alg, salt) => digestRecipe(alg, 'ps', salt)],
  ['hmac-salt', (alg, salt) => hmacRecipe(alg, 's', salt)],
  ['hmac-password', (alg, salt) => hmacRecipe(alg, 'p', salt)],
]);

const split = (text: string, { salt }: Options): [string, string] | undefined => {
  if (salt !== undefined) return [text, salt];
  const colon = text.indexOf(':');
  return colon < 0 ? undefined : [text.slice(0, colon), text.slice(colon + 1)];
};

export const saltedDigest: Format = {
  id: 'salted-digest',
  parse: (text, options) => {
    const alg = readAlg(options);
    const make = orders.get(options.order ?? '');
    if (alg === undefined || make === undefined) return 'hash_option';
    const [digestText, saltText = ''] = split(text, options) ?? [];
    if (digestText === undefined || saltText === '') return 'hash_malformed:salt';
    const salt = readSalt(saltText, options);
    if (typeof salt === 'string') return salt;
    return joinDigest(make(alg, salt), readEncoded(digestText, options.encoding));
  },
};
