/**
 * bcrypt: `$2b$12$` + 22 characters of salt + 31 of digest. `$2a$`, `$2b$` and `$2y$` name the same
 * algorithm, the last one PHP's (crypt_blowfish). `$2$` and `$2x$` compute something else and are not
 * claimed.
 */
import type { Format } from './format.js';
import { readBcrypt64 } from './strict.js';

const grammar = /^\$2[aby]\$(0[4-9]|[12][0-9]|3[01])\$([./A-Za-z0-9]{22})([./A-Za-z0-9]{31})$/;

export const bcrypt: Format = {
  id: 'bcrypt',
  identify: (stored) => /^\$2[aby]\$/.test(stored),
  parse: (stored) => {
    const [, cost = '', saltText = '', digestText = ''] = grammar.exec(stored) ?? [];
    const salt = readBcrypt64(saltText, 16);
    const digest = readBcrypt64(digestText, 23);
    if (salt === undefined || digest === undefined) return 'hash_malformed';
    return { recipe: { kind: 'bcrypt', params: { cost: Number(cost), salt } }, digest };
  },
};
