/** argon2 (RFC 9106), any variant and version, with or without a secret. */
import { type Cost, defineKind } from './recipe.js';

type Argon2 = {
  /** id, i or d. */
  v: string;
  version: number;
  /** KiB, passes, lanes. */
  m: number;
  t: number;
  p: number;
  salt: Uint8Array;
  key: string;
};

const maxMemoryKiB = 256 * 1024;
const maxTotalKiB = 1024 * 1024;

/** OWASP's list: less memory is made up for by more passes. */
const owasp = [
  [47_104, 1],
  [19_456, 2],
  [12_288, 3],
  [9216, 4],
  [7168, 5],
] as const;

/** What a hash with these parameters costs; the default (19 MiB, two passes) has `relative` 1. */
export const argon2Cost = (memoryKiB: number, passes: number): Cost => ({
  key: `argon2/${memoryKiB}/${passes}`,
  relative: (memoryKiB * passes) / (19_456 * 2),
  bytes: memoryKiB * 1024,
});

export const argon2 = defineKind<Argon2>({
  id: 'argon2',
  fields: { v: 'word', version: 'int', m: 'int', t: 'int', p: 'int', salt: 'bytes', key: 'key' },
  isWithinLimits: ({ v, version, m, t, p, salt }, bytes) =>
    ['id', 'i', 'd'].includes(v) &&
    (version === 16 || version === 19) &&
    t >= 1 &&
    t <= 10 &&
    p >= 1 &&
    p <= 16 &&
    m >= 8 * p &&
    m <= maxMemoryKiB &&
    m * t <= maxTotalKiB &&
    salt.length >= 8 &&
    salt.length <= 64 &&
    bytes >= 16 &&
    bytes <= 64,
  cost: ({ m, t }) => argon2Cost(m, t),
  securityClass: ({ m, t }) => (owasp.some(([kib, passes]) => m >= kib && t >= passes) ? 'A' : 'B'),
  derive: ({ v, version, m, t, p, salt, key }, password, { bytes, keys, tools }) => {
    const secret = keys[key];
    if (key !== '-' && secret === undefined) throw new Error('the key is not there');
    return tools.argon2(password, {
      variant: v,
      ...{ version, memoryKiB: m, passes: t, lanes: p, salt, bytes },
      ...(secret ? { secret } : {}),
    });
  },
});
