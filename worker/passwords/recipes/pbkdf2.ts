/**
 * PBKDF2 (RFC 8018). A digest longer than its function's takes that many times the work. Formats must
 * see to it that the stored digest has the full length that its product writes: code that derives as
 * many bytes as the record happens to hold accepts a digest cut to three bytes.
 */
import { pbkdf2Sync } from 'node:crypto';
import { defaultHashNs, defineKind } from './recipe.js';

type Pbkdf2 = { prf: string; i: number; salt: Uint8Array };

type Row = {
  blockBytes: number;
  /** Of all blocks together. */
  maxIterations: number;
  nsPerIteration: number;
  owaspIterations: number;
};

const sha1 = { maxIterations: 10_000_000, nsPerIteration: 230, owaspIterations: 1_400_000 };
const sha256 = { maxIterations: 5_000_000, nsPerIteration: 330, owaspIterations: 600_000 };
const sha512 = { maxIterations: 5_000_000, nsPerIteration: 460, owaspIterations: 220_000 };
/** OWASP has no figure for SHA-3, so it is asked as many as of SHA-256. */
const sha3 = { maxIterations: 5_000_000, nsPerIteration: 670, owaspIterations: 600_000 };

const table: Readonly<Record<string, Row>> = {
  sha1: { blockBytes: 20, ...sha1 },
  sha224: { blockBytes: 28, ...sha256 },
  sha256: { blockBytes: 32, ...sha256 },
  sha384: { blockBytes: 48, ...sha512 },
  sha512: { blockBytes: 64, ...sha512 },
  'sha3-224': { blockBytes: 28, ...sha3 },
  'sha3-384': { blockBytes: 48, ...sha3 },
};
const rowOf = (prf: string): Row | undefined =>
  Object.hasOwn(table, prf) ? table[prf] : undefined;

const iterationsOf = ({ prf, i }: Pbkdf2, bytes: number): number =>
  i * Math.ceil(bytes / (rowOf(prf)?.blockBytes ?? 1));

export const pbkdf2 = defineKind<Pbkdf2>({
  id: 'pbkdf2',
  fields: { prf: 'word', i: 'int', salt: 'bytes' },
  isWithinLimits: (params, bytes) =>
    params.i >= 1 &&
    iterationsOf(params, bytes) <= (rowOf(params.prf)?.maxIterations ?? 0) &&
    params.salt.length <= 64 &&
    bytes >= 16 &&
    bytes <= 64,
  cost: (params, bytes) => {
    const iterations = iterationsOf(params, bytes);
    return {
      key: `pbkdf2/${params.prf}/${iterations}`,
      relative: (iterations * (rowOf(params.prf)?.nsPerIteration ?? 0)) / defaultHashNs,
      bytes: 8192,
    };
  },
  securityClass: ({ prf, i }) => (i >= (rowOf(prf)?.owaspIterations ?? 0) ? 'B' : 'C'),
  derive: ({ prf, i, salt }, password, { bytes }) => pbkdf2Sync(password, salt, i, bytes, prf),
});
