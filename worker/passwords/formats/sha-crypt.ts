/**
 * sha-crypt: `$5$` (sha256) or `$6$` (sha512), `[rounds=N$]salt$digest`; no rounds means 5000. Nobody
 * who follows the specification writes fewer than 1000 rounds or more than 16 characters of salt.
 */
import { readPermuted } from './crypt-order.js';
import type { Format } from './format.js';
import { outside } from './malformed.js';
import { readDecimal } from './strict.js';

const grammar =
  /^\$([56])\$(?:rounds=(\d+)\$)?([!-#%-9;-~]{0,16})\$([./0-9A-Za-z]{43}|[./0-9A-Za-z]{86})$/;

// The bytes of a group of three move on by a fixed step; the last group is short.
const groups = (count: number, step: (group: number) => number[], last: number[]): number[] => [
  ...Array.from({ length: count }, (_, group) => step(group)).flat(),
  ...last,
];
const thirds = (group: number, third: number, turn: readonly number[]): number[] =>
  turn.map((part) => group + third * part);
const turns256 = [
  [2, 1, 0],
  [1, 0, 2],
  [0, 2, 1],
];
const turns512 = [
  [2, 1, 0],
  [0, 2, 1],
  [1, 0, 2],
];
const variants = {
  '5': {
    alg: 'sha256',
    order: groups(10, (group) => thirds(group, 10, turns256[group % 3] ?? []), [30, 31]),
  },
  '6': {
    alg: 'sha512',
    order: groups(21, (group) => thirds(group, 21, turns512[group % 3] ?? []), [63]),
  },
};

export const shaCrypt: Format = {
  id: 'sha-crypt',
  identify: (stored) => /^\$[56]\$/.test(stored),
  parse: (text) => {
    const match = grammar.exec(text);
    if (match === null) return outside(grammar, text);
    const [, id, roundsText = '5000', saltText = '', digestText = ''] = match;
    const { alg, order } = variants[id === '5' ? '5' : '6'];
    const rounds = readDecimal(roundsText);
    if (rounds === undefined || rounds < 1000) return 'hash_malformed:rounds';
    if (digestText.length !== Math.ceil((order.length * 8) / 6)) return 'hash_length';
    const digest = readPermuted(digestText, order);
    if (digest === undefined) return 'hash_malformed:digest';
    const params = { alg, rounds, salt: Buffer.from(saltText) };
    return { recipe: { kind: 'shacrypt', params }, digest };
  },
};
