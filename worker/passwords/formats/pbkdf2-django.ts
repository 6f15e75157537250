/**
 * PBKDF2 as Django writes it: `pbkdf2_sha256$390000$salt$digest`. The salt is the text itself, not
 * an encoding of bytes; the digest is base64 with padding.
 */
import type { Format } from './format.js';
import { outside } from './malformed.js';
import { joinPbkdf2 } from './pbkdf2.js';
import { readPaddedBase64 } from './strict.js';

const grammar =
  /^pbkdf2_(sha1|sha256)\$(\d{1,10})\$([\x21-\x23\x25-\x7e]{1,64})\$([A-Za-z0-9+/]{27,43}=)$/;

export const pbkdf2Django: Format = {
  id: 'pbkdf2-django',
  identify: (stored) => /^pbkdf2_sha(1|256)\$/.test(stored),
  parse: (stored) => {
    const match = grammar.exec(stored);
    if (match === null) return outside(grammar, stored);
    const [, prf = '', iterations = '', salt = '', digest = ''] = match;
    return joinPbkdf2(prf, iterations, Buffer.from(salt), readPaddedBase64(digest));
  },
};
