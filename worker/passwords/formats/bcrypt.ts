/**
 * bcrypt: `$2b$12$` + 22 characters of salt + 31 of digest. `$2a$`, `$2b$` and `$2y$` name the same
 * algorithm, the last one PHP's (crypt_blowfish). `$2x$` is the function with its sign-extension bug,
 * the same for ASCII passwords. `$2$` computes something else and is refused. What other products put
 * around bcrypt, and into it, is in bcrypt-prehashed.ts.
 */
import type { Format, Parsed, ParseProblem } from './format.js';
import { outside, unread } from './malformed.js';
import { readBcrypt64 } from './strict.js';

const grammar = /^\$2([abxy])\$(0[4-9]|[12][0-9]|3[01])\$([./A-Za-z0-9]{22})([./A-Za-z0-9]{31})$/;

/** The record, over an input of the kind's table; `$2x$` only stands for the password itself. */
export const parseBcrypt = (stored: string, pre = '-', key = '-'): Parsed | ParseProblem => {
  const match = grammar.exec(stored);
  if (match === null) return outside(grammar, stored);
  const [, minor = '', cost = '', saltText = '', digestText = ''] = match;
  const salt = readBcrypt64(saltText, 16);
  const digest = readBcrypt64(digestText, 23);
  if (salt === undefined || digest === undefined) return unread({ salt, digest });
  if (minor === 'x' && pre !== '-') return 'hash_malformed:3';
  const params = { cost: Number(cost), salt, pre: minor === 'x' ? '2x' : pre, key };
  return { recipe: { kind: 'bcrypt', params }, digest };
};

export const bcrypt: Format = {
  id: 'bcrypt',
  identify: (stored) => /^\$2[abxy]\$/.test(stored),
  parse: (stored) => parseBcrypt(stored),
};
