/**
 * PBKDF2 (RFC 8018). Formats must see to it that the stored digest has the full length that its
 * product writes: code that derives as many bytes as the record happens to hold accepts a digest cut
 * to three bytes.
 */
import { pbkdf2Sync } from 'node:crypto';
import { defaultHashNs, defineKind } from './recipe.js';

export type Pbkdf2 = { prf: string; i: number; salt: Uint8Array };

type Row = { maxIterations: number; nsPerIteration: number; owaspIterations: number };

const table: Readonly<Record<string, Row>> = {
  sha1: { maxIterations: 10_000_000, nsPerIteration: 230, owaspIterations: 1_400_000 },
  sha224: { maxIterations: 5_000_000, nsPerIteration: 330, owaspIterations: 600_000 },
  sha256: { maxIterations: 5_000_000, nsPerIteration: 330, owaspIterations: 600_000 },
  sha384: { maxIterations: 5_000_000, nsPerIteration: 460, owaspIterations: 220_000 },
  sha512: { maxIterations: 5_000_000, nsPerIteration: 460, owaspIterations: 220_000 },
  'sha3-224': { maxIterations: 5_000_000, nsPerIteration: 700, owaspIterations: 600_000 },
  'sha3-384': { maxIterations: 5_000_000, nsPerIteration: 650, owaspIterations: 600_000 },
};
const rowOf = (prf: string): Row | undefined =>
  Object.hasOwn(table, prf) ? table[prf] : undefined;

export const pbkdf2 = defineKind<Pbkdf2>({
  id: 'pbkdf2',
  fields: { prf: 'word', i: 'int', salt: 'bytes' },
  isWithinLimits: ({ prf, i, salt }, bytes) =>
    i >= 1 &&
    i <= (rowOf(prf)?.maxIterations ?? 0) &&
    salt.length <= 64 &&
    bytes >= 16 &&
    bytes <= 64,
  cost: ({ prf, i }) => ({
    key: `pbkdf2/${prf}/${i}`,
    relative: (i * (rowOf(prf)?.nsPerIteration ?? 0)) / defaultHashNs,
    bytes: 8192,
  }),
  securityClass: ({ prf, i }) => (i >= (rowOf(prf)?.owaspIterations ?? 0) ? 'B' : 'C'),
  derive: ({ prf, i, salt }, password, { bytes }) => pbkdf2Sync(password, salt, i, bytes, prf),
});
