/** werkzeug before 2.3: `sha256$salt$hex`, HMAC with the salt as key; without salt the bare digest. */
import { digestRecipe, hmacRecipe, joinDigest } from './digest-text.js';
import type { Format } from './format.js';
import { outside } from './malformed.js';
import { isPlaintext } from './never.js';
import { readHex } from './strict.js';

const grammar = /^(md5|sha1|sha224|sha256|sha384|sha512)\$([^$\p{Cc}]*)\$([0-9a-f]+)$/u;

export const werkzeugDigest: Format = {
  id: 'werkzeug-digest',
  parse: (text) => {
    if (isPlaintext(text)) return 'hash_plaintext';
    const match = grammar.exec(text);
    if (match === null) return outside(grammar, text);
    const [, alg = '', salt = '', digest = ''] = match;
    const recipe = salt === '' ? digestRecipe(alg, 'p') : hmacRecipe(alg, 's', Buffer.from(salt));
    return joinDigest(recipe, readHex(digest));
  },
};
