/** passwap's `$md5salted-prefix$salt$base64` and `$md5salted-suffix$…`; the salt is the text itself. */
import { digestRecipe, joinDigest } from './digest-text.js';
import type { Format } from './format.js';
import { outside } from './malformed.js';
import { readPaddedBase64 } from './strict.js';

const grammar = /^\$md5salted-(prefix|suffix)\$([^$ \p{Cc}]+)\$([A-Za-z0-9+/]{22}==)$/u;

export const passwapMd5: Format = {
  id: 'passwap-md5',
  identify: (stored) => stored.startsWith('$md5salted-'),
  parse: (text) => {
    const match = grammar.exec(text);
    if (match === null) return outside(grammar, text);
    const [, place, salt = '', digest = ''] = match;
    const o = place === 'prefix' ? 'sp' : 'ps';
    return joinDigest(digestRecipe('md5', o, Buffer.from(salt)), readPaddedBase64(digest));
  },
};
