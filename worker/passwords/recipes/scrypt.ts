/** scrypt (RFC 7914), with N as its logarithm. What Firebase builds on it is in fbscrypt.ts. */
import { scryptSync } from 'node:crypto';
import { type Cost, defaultHashNs, defineKind, type SecurityClass } from './recipe.js';

type Scrypt = { ln: number; r: number; p: number; salt: Uint8Array };
type Size = { ln: number; r: number; p: number };

const maxMemory = 128 * 1024 * 1024;
const maxBlocks = 2 ** 21;
const nsPerBlock = 250;

/** Bytes of one lane (RFC 7914 § 2). */
export const scryptMemory = ({ ln, r }: { ln: number; r: number }): number => 128 * 2 ** ln * r;

/** 128 MiB and 2^21 blocks; N must stay below 2^(16 r), as the RFC demands. */
export const isScryptSize = ({ ln, r, p }: Size): boolean =>
  ln >= 1 &&
  ln < 16 * r &&
  r >= 1 &&
  r <= 32 &&
  p >= 1 &&
  p <= 16 &&
  scryptMemory({ ln, r }) <= maxMemory &&
  2 ** ln * r * p <= maxBlocks;

/** Time goes with N · r · p; the lanes run one after the other in one memory. */
export const scryptCost = ({ ln, r, p }: Size): Cost => ({
  key: `scrypt/${ln}/${r}/${p}`,
  relative: (2 ** ln * r * p * nsPerBlock) / defaultHashNs,
  bytes: scryptMemory({ ln, r }) + 128 * r * p,
});

/** OWASP's list: N = 2^17 and p = 1, or less memory and more lanes. */
const owaspLanes: Readonly<Record<number, number>> = { 16: 2, 15: 3, 14: 5, 13: 10 };

/** A at OWASP's levels, B from 16 MiB, C below. */
export const scryptClass = ({ ln, r, p }: Size): SecurityClass => {
  if (r >= 8 && (ln >= 17 || p >= (owaspLanes[ln] ?? Number.POSITIVE_INFINITY))) return 'A';
  return scryptMemory({ ln, r }) >= 16 * 1024 * 1024 ? 'B' : 'C';
};

/** Node's own limit on memory is lower than what products write, so it is set to what is needed. */
export const computeScrypt = (
  password: Uint8Array,
  salt: Uint8Array,
  size: Size,
  bytes: number,
): Uint8Array => {
  const { ln, r, p } = size;
  const maxmem = scryptMemory(size) + 128 * r * p + 1024 * 1024;
  return scryptSync(password, salt, bytes, { N: 2 ** ln, r, p, maxmem });
};

export const scrypt = defineKind<Scrypt>({
  id: 'scrypt',
  fields: { ln: 'int', r: 'int', p: 'int', salt: 'bytes' },
  isWithinLimits: (params, bytes) =>
    isScryptSize(params) && params.salt.length <= 64 && bytes >= 16 && bytes <= 64,
  cost: scryptCost,
  securityClass: scryptClass,
  derive: (params, password, { bytes }) => computeScrypt(password, params.salt, params, bytes),
});
