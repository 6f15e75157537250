/**
 * One pass, or hardly more, of a fast hash function over password and salt. How the two are put
 * together is one of a closed set of constructions (`o`); the names are written into stored records
 * and never change their meaning. p = password, s = salt, x(…) = the digest as lower-case hex.
 */
import { digestBytes, fastCost, fastHash } from './fast-hash.js';
import { isSkipped } from './mysql323.js';
import { defineKind } from './recipe.js';

export type Digest = { alg: string; o: string; salt: Uint8Array };

type Construction = (alg: string, p: Uint8Array, s: Uint8Array) => Buffer;

const hex = (bytes: Buffer): Buffer => Buffer.from(bytes.toString('hex'));

const springRounds = 1024;

const unsalted: ReadonlyMap<string, Construction> = new Map<string, Construction>([
  ['p', (alg, p) => fastHash(alg, p)],
  ['xp', (alg, p) => fastHash(alg, hex(fastHash(alg, p)))],
  // MySQL 4.1: the inner digest as bytes.
  ['hp', (alg, p) => fastHash(alg, fastHash(alg, p))],
  // NT: the password as UTF-16LE.
  ['p16', (alg, p) => fastHash(alg, Buffer.from(Buffer.from(p).toString(), 'utf16le'))],
]);

const salted: ReadonlyMap<string, Construction> = new Map<string, Construction>([
  ['sp', (alg, p, s) => fastHash(alg, s, p)],
  ['ps', (alg, p, s) => fastHash(alg, p, s)],
  // vBulletin.
  ['xps', (alg, p, s) => fastHash(alg, hex(fastHash(alg, p)), s)],
  // MyBB and IPB.
  ['xsxp', (alg, p, s) => fastHash(alg, hex(fastHash(alg, s)), hex(fastHash(alg, p)))],
  [
    // Spring's StandardPasswordEncoder.
    'sp1024',
    (alg, p, s) => {
      let value = fastHash(alg, s, p);
      for (let round = 1; round < springRounds; round++) value = fastHash(alg, value);
      return value;
    },
  ],
]);

const constructionOf = (o: string): Construction | undefined => salted.get(o) ?? unsalted.get(o);

export const digest = defineKind<Digest>({
  id: 'digest',
  fields: { alg: 'word', o: 'word', salt: 'bytes' },
  isWithinLimits: ({ alg, o, salt }, bytes) =>
    bytes > 0 &&
    bytes === digestBytes(alg) &&
    constructionOf(o) !== undefined &&
    salt.length <= (salted.has(o) ? 64 : 0) &&
    (alg !== 'mysql323' || o === 'p'),
  // Spaces between words are no slip, and whoever has some would wait for ever.
  ignores: ({ alg }, password) =>
    alg === 'mysql323' && [...password.subarray(0, 1), ...password.subarray(-1)].some(isSkipped),
  cost: ({ alg, o }) =>
    o === 'sp1024'
      ? { key: `digest/${alg}/1024`, relative: 0.14, bytes: 8192 }
      : fastCost(`digest/${alg}`),
  securityClass: ({ o, salt }) => {
    if (salt.length === 0) return 'E';
    return o === 'sp1024' ? 'C' : 'D';
  },
  derive: ({ alg, o, salt }, password) => {
    const construct = constructionOf(o);
    if (construct === undefined) throw new Error('no such construction');
    return construct(alg, password, salt);
  },
});
