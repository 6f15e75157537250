/**
 * PBKDF2 as passlib and passwap write it: `$pbkdf2-sha256$29000$salt$digest` in "ab64"; no digest
 * name means SHA-1. sha224 and sha384 are SHA-2 here and SHA-3 in Kratos, so these have to be declared.
 */
import type { Format } from './format.js';
import { outside } from './malformed.js';
import { joinPbkdf2 } from './pbkdf2.js';
import { readAb64 } from './strict.js';

const grammar =
  /^\$pbkdf2(?:-(sha224|sha256|sha384|sha512))?\$(\d{1,10})\$([A-Za-z0-9./]{0,86})\$([A-Za-z0-9./]{27,86})$/;

export const pbkdf2Passlib: Format = {
  id: 'pbkdf2-passlib',
  identify: (stored) => /^\$pbkdf2(-sha(256|512))?\$(?!i=)/.test(stored),
  parse: (stored) => {
    const match = grammar.exec(stored);
    if (match === null) return outside(grammar, stored);
    const [, prf = 'sha1', iterations = '', salt = '', digest = ''] = match;
    return joinPbkdf2(prf, iterations, readAb64(salt), readAb64(digest));
  },
};
