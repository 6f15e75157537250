/**
 * A bare digest: hex, or base64 with the option `encoding`. The option `alg` names the function, because
 * 32 hex digits are md5 in one table and an NT hash in the next; `order` is `password` or, for the hash
 * of a hex hash, `double`.
 */
import { digestRecipe, joinDigest, readAlg, readEncoded } from './digest-text.js';
import type { Format } from './format.js';

const orders: ReadonlyMap<string, string> = new Map([
  ['password', 'p'],
  ['double', 'xp'],
]);

export const digest: Format = {
  id: 'digest',
  parse: (text, options) => {
    const alg = readAlg(options);
    const o = orders.get(options.order ?? 'password');
    if (alg === undefined || o === undefined) return 'hash_option';
    return joinDigest(digestRecipe(alg, o), readEncoded(text, options.encoding));
  },
};
