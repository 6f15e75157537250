/**
 * Ory Kratos's HMAC: `$hmac-sha256$<base64 of the hex mac>$<base64 key>`. The key stands in the row;
 * it leaves it at the import, so such a string is never stored as it is.
 */
import { hmacRecipe, joinDigest } from './digest-text.js';
import type { Format } from './format.js';
import { readHex, readPaddedBase64 } from './strict.js';

const grammar = /^\$hmac-(md4|md5|sha1|sha224|sha256|sha384|sha512)\$([^$]+)\$([^$]+)$/;

export const kratosHmac: Format = {
  id: 'kratos-hmac',
  parse: (text) => {
    const [, alg = '', macText = '', keyText = ''] = grammar.exec(text) ?? [];
    const mac = readPaddedBase64(macText);
    const secret = readPaddedBase64(keyText);
    if (mac === undefined || secret === undefined || secret.length === 0) return 'hash_malformed';
    const parsed = joinDigest(hmacRecipe(alg, 'k'), readHex(mac.toString('latin1')));
    return typeof parsed === 'string' ? parsed : { ...parsed, secret };
  },
};
