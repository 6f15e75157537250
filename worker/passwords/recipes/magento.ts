/**
 * Magento's chains: each step hashes what the one before gave, as hex, with the same salt. md5 and
 * sha256 prepend the salt; the last step may be argon2id over its first 16 characters. `chain` is the
 * steps: `m`, `s` and, at the end only, `a` with `t` passes over `m` KiB (0 and 0 without it).
 */
import { argon2Cost } from './argon2.js';
import { digestBytes, fastCost, fastHash } from './fast-hash.js';
import { defineKind } from './recipe.js';

export type Magento = { chain: string; t: number; m: number; salt: Uint8Array };

const algOf = (step: string): string => (step === 'm' ? 'md5' : 'sha256');
const endsInArgon2 = (chain: string): boolean => chain.endsWith('a');

/** libsodium's salt: 16 bytes, a shorter one repeated. */
const sodiumSalt = (salt: Uint8Array): Buffer => Buffer.alloc(16, salt);

const isWithinArgon2 = ({ t, m, salt }: Magento, bytes: number): boolean =>
  t >= 1 &&
  t <= 10 &&
  m >= 8 &&
  m <= 256 * 1024 &&
  m * t <= 1024 * 1024 &&
  salt.length >= 1 &&
  bytes >= 16 &&
  bytes <= 64;

export const magento = defineKind<Magento>({
  id: 'magento',
  fields: { chain: 'word', t: 'int', m: 'int', salt: 'bytes' },
  isWithinLimits: (params, bytes) => {
    const { chain, t, m, salt } = params;
    if (!/^(?=.{1,4}$)[ms]*a?$/.test(chain) || salt.length > 64) return false;
    if (endsInArgon2(chain)) return isWithinArgon2(params, bytes);
    return t === 0 && m === 0 && bytes === digestBytes(algOf(chain.slice(-1)));
  },
  cost: ({ chain, t, m }) => (endsInArgon2(chain) ? argon2Cost(m, t) : fastCost('magento')),
  securityClass: ({ chain, t, m, salt }) => {
    if (endsInArgon2(chain)) return m >= 19_456 && t >= 2 ? 'A' : 'B';
    return salt.length === 0 ? 'E' : 'D';
  },
  derive: ({ chain, t, m, salt }, password, { bytes, tools }) => {
    const step = (input: Uint8Array, name: string): Uint8Array => {
      if (name !== 'a') return fastHash(algOf(name), salt, input);
      const options = { variant: 'id', version: 19, memoryKiB: m, passes: t, lanes: 1, bytes };
      return tools.argon2(input, { ...options, salt: sodiumSalt(salt) });
    };
    const [first = '', ...rest] = chain;
    return rest.reduce(
      (value, name) => step(Buffer.from(Buffer.from(value).toString('hex')), name),
      step(password, first),
    );
  },
});
