/**
 * `md5:salt` in the tables of three products, each with its own construction: Joomla before 2.5.18,
 * vBulletin from 3.8.5, MyBB from 1.2 and IPB 2. The salt is the text behind the first colon.
 */
import { digestRecipe, joinDigest } from './digest-text.js';
import type { Format } from './format.js';
import { outside } from './malformed.js';
import { readHex } from './strict.js';

const grammar = /^([0-9a-fA-F]{32}):(\P{Cc}+)$/u;

const md5WithSalt = (id: string, o: string): Format => ({
  id,
  parse: (text) => {
    const match = grammar.exec(text);
    if (match === null) return outside(grammar, text);
    const [, digest = '', salt = ''] = match;
    return joinDigest(digestRecipe('md5', o, Buffer.from(salt)), readHex(digest));
  },
});

export const forums: readonly Format[] = [
  md5WithSalt('joomla', 'ps'),
  md5WithSalt('vbulletin', 'xps'),
  md5WithSalt('mybb', 'xsxp'),
];
