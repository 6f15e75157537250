/** md5-crypt: `$1$salt$digest` of crypt(3), and Apache's `$apr1$`, which computes something else. */
import { readPermuted } from './crypt-order.js';
import type { Format } from './format.js';
import { outside } from './malformed.js';

const grammar = /^\$(1|apr1)\$([!-#%-9;-~]{0,8})\$([./0-9A-Za-z]{22})$/;

const order = [12, 6, 0, 13, 7, 1, 14, 8, 2, 15, 9, 3, 5, 10, 4, 11];

export const md5Crypt: Format = {
  id: 'md5-crypt',
  identify: (stored) => /^\$(1|apr1)\$/.test(stored),
  parse: (text) => {
    const match = grammar.exec(text);
    if (match === null) return outside(grammar, text);
    const [, magic = '', salt = '', digestText = ''] = match;
    const digest = readPermuted(digestText, order);
    if (digest === undefined) return 'hash_malformed:digest';
    return { recipe: { kind: 'md5crypt', params: { magic, salt: Buffer.from(salt) } }, digest };
  },
};
