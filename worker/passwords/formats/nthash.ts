/** The NT hash (md4 over UTF-16LE) of Windows, Samba and FreeIPA: hex, or base64 by `encoding`. */
import { digestRecipe, joinDigest, readEncoded } from './digest-text.js';
import type { Format } from './format.js';

export const nthash: Format = {
  id: 'nthash',
  parse: (text, { encoding }) =>
    joinDigest(digestRecipe('md4', 'p16'), readEncoded(text, encoding)),
};
