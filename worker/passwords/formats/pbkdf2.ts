/**
 * What the spellings of PBKDF2 (RFC 8018) share: digests and their exact lengths, limits, costs.
 * The stored digest must have the full length of its function: code that derives as many bytes as
 * the record happens to hold accepts a digest cut to three bytes.
 */
import type { Pbkdf2Digest, Work } from '../task.js';
import type { Cost } from './format.js';
import { readDecimal } from './strict.js';

export type Pbkdf2 = { digest: Pbkdf2Digest; iterations: number; salt: Buffer; wanted: Buffer };

type Row = { bytes: number; maxIterations: number; nsPerIteration: number };

const table: Record<Pbkdf2Digest, Row> = {
  sha1: { bytes: 20, maxIterations: 10_000_000, nsPerIteration: 230 },
  sha224: { bytes: 28, maxIterations: 5_000_000, nsPerIteration: 330 },
  sha256: { bytes: 32, maxIterations: 5_000_000, nsPerIteration: 330 },
  sha384: { bytes: 48, maxIterations: 5_000_000, nsPerIteration: 460 },
  sha512: { bytes: 64, maxIterations: 5_000_000, nsPerIteration: 460 },
};
const maxSaltBytes = 64;
const defaultHashNs = 9_600_000;

/** The record, or undefined when a piece is missing, not canonical or of the wrong length. */
export const joinPbkdf2 = (
  digest: Pbkdf2Digest,
  iterationText: string,
  salt: Buffer | undefined,
  wanted: Buffer | undefined,
): Pbkdf2 | undefined => {
  const iterations = readDecimal(iterationText);
  if (iterations === undefined || iterations < 1) return undefined;
  if (salt === undefined || salt.length > maxSaltBytes) return undefined;
  if (wanted === undefined || wanted.length !== table[digest].bytes) return undefined;
  return { digest, iterations, salt, wanted };
};

/** The steps after parsing, the same for every spelling. */
export const pbkdf2Steps = {
  isWithinLimits: ({ digest, iterations }: Pbkdf2): boolean =>
    iterations <= table[digest].maxIterations,
  cost: ({ digest, iterations }: Pbkdf2): Cost => ({
    key: `pbkdf2/${digest}/${iterations}`,
    relative: (iterations * table[digest].nsPerIteration) / defaultHashNs,
    bytes: 8192,
  }),
  verify: ({ digest, iterations, salt, wanted }: Pbkdf2, password: string): Work => [
    'pbkdf2',
    digest,
    iterations,
    salt,
    wanted,
    password,
  ],
  needsRehash: (): boolean => true,
};
