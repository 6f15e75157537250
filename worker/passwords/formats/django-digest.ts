/**
 * Django's fast hashers: `sha1$salt$hex` and `md5$salt$hex` (salt, then password), `md5$$hex`,
 * `sha1$$hex` and bare 32 digits of md5 without salt. werkzeug writes the same and means HMAC, so this
 * must be declared.
 */
import { digestRecipe, joinDigest } from './digest-text.js';
import type { Format } from './format.js';
import { outside } from './malformed.js';
import { isUnusable } from './never.js';
import { readHex } from './strict.js';

const grammar = /^(?:(md5|sha1)\$([^$\p{Cc}]*)\$)?([0-9a-f]+)$/u;

export const djangoDigest: Format = {
  id: 'django-digest',
  parse: (text) => {
    if (isUnusable(text)) return 'hash_unusable';
    const match = grammar.exec(text);
    if (match === null) return outside(grammar, text);
    const [, alg = 'md5', salt = '', digest = ''] = match;
    const recipe =
      salt === '' ? digestRecipe(alg, 'p') : digestRecipe(alg, 'sp', Buffer.from(salt));
    return joinDigest(recipe, readHex(digest));
  },
};
