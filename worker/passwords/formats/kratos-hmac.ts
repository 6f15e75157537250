/**
 * Ory Kratos's HMAC: `$hmac-sha256$<base64 of the hex mac>$<base64 key>`. The key stands in the row;
 * it leaves it at the import, so such a string is never stored as it is.
 */
import { hmacRecipe, joinDigest } from './digest-text.js';
import type { Format } from './format.js';
import { outside, unread } from './malformed.js';
import { readHex, readPaddedBase64 } from './strict.js';

const grammar = /^\$hmac-(md4|md5|sha1|sha224|sha256|sha384|sha512)\$([^$]+)\$([^$]+)$/;

export const kratosHmac: Format = {
  id: 'kratos-hmac',
  hasSecret: true,
  parse: (text) => {
    const match = grammar.exec(text);
    if (match === null) return outside(grammar, text);
    const [, alg = '', macText = '', keyText = ''] = match;
    const mac = readPaddedBase64(macText);
    const secret = readPaddedBase64(keyText);
    if (mac === undefined || secret === undefined) return unread({ digest: mac, key: secret });
    const parsed = joinDigest(hmacRecipe(alg, 'k'), readHex(mac.toString('latin1')));
    return typeof parsed === 'string' ? parsed : { ...parsed, secret };
  },
};
