/**
 * One HMAC (RFC 2104) of the password. `o` says what the key is: `s` the salt · `p` the password
 * itself, over the salt · `k` a secret of the key ring, over the password alone.
 */
import { digestBytes, fastCost, fastHmac } from './fast-hash.js';
import { defineKind } from './recipe.js';

type Hmac = { alg: string; o: string; salt: Uint8Array; key: string };

export const hmac = defineKind<Hmac>({
  id: 'hmac',
  fields: { alg: 'word', o: 'word', salt: 'bytes', key: 'key' },
  isWithinLimits: ({ alg, o, salt, key }, bytes) =>
    alg !== 'mysql323' &&
    bytes > 0 &&
    bytes === digestBytes(alg) &&
    // A secret that still stands in the row has no key id yet; `derive` demands one.
    (o === 'k' ? salt.length === 0 : ['s', 'p'].includes(o) && key === '-') &&
    salt.length <= 64,
  cost: ({ alg }) => fastCost(`hmac/${alg}`),
  securityClass: () => 'D',
  derive: ({ alg, o, salt, key }, password, { keys }) => {
    if (o === 's') return fastHmac(alg, salt, password);
    if (o === 'p') return fastHmac(alg, password, salt);
    const secret = keys[key];
    if (secret === undefined) throw new Error('the key is not there');
    return fastHmac(alg, secret, password);
  },
});
