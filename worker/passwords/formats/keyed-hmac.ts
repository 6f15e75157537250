/**
 * HMAC of the password under one key for the whole table. Options: `alg` · `key`, its id in the key
 * ring · `encoding`, hex or base64.
 */
import { isKeyId } from '../keys.js';
import { hmacRecipe, joinDigest, readAlg, readEncoded } from './digest-text.js';
import type { Format } from './format.js';

export const keyedHmac: Format = {
  id: 'hmac',
  parse: (text, options) => {
    const alg = readAlg(options);
    const { key = '', encoding } = options;
    if (alg === undefined || !isKeyId(key)) return 'hash_option';
    return joinDigest(hmacRecipe(alg, 'k', undefined, key), readEncoded(text, encoding));
  },
};
