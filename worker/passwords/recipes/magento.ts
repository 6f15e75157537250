/**
 * Magento's chains: each step hashes what the one before gave, as hex, with the same salt. md5 and
 * sha256 prepend the salt, argon2id takes its first 16 bytes. `chain` is the steps: `m`, `s`, and for
 * argon2id `a` at the end, with `t` passes over `m` KiB (0 and 0 without it), or anywhere before it
 * `a<passes>-<KiB>-<bytes>-`, which says all of it.
 */
import { argon2Cost } from './argon2.js';
import { digestBytes, fastCost, fastHash } from './fast-hash.js';
import { type Cost, defineKind } from './recipe.js';

export type Magento = { chain: string; t: number; m: number; salt: Uint8Array };
/** `alg` of a fast step; undefined for argon2id. */
type Step = { alg?: string; t: number; m: number; bytes: number };

const maxSteps = 4;
const maxTotalKiB = 1024 * 1024;

const grammar = /^(?:[ms]|a[1-9]\d?-[1-9]\d{0,5}-[1-9]\d-)*[msa]$/;
const one = /[ms]|a(?:(\d+)-(\d+)-(\d+)-)?/g;

const fast = (alg: string): Step => ({ alg, t: 0, m: 0, bytes: digestBytes(alg) });

/** None for a chain that is not in the grammar. `bytes`: of the digest, which the last step gives. */
const stepsOf = ({ chain, t, m }: Magento, bytes: number): Step[] => {
  if (!grammar.test(chain)) return [];
  return [...chain.matchAll(one)].map(([step, passes, memory, length]) => {
    if (step === 'm') return fast('md5');
    if (step === 's') return fast('sha256');
    return passes === undefined
      ? { t, m, bytes }
      : { t: Number(passes), m: Number(memory), bytes: Number(length) };
  });
};

/** The chain as it is written; the last argon2id's numbers stand in fields of their own. */
export const chainOf = (steps: readonly Step[]): string =>
  steps
    .map(({ alg, t, m, bytes }, at) => {
      if (alg !== undefined) return alg === 'md5' ? 'm' : 's';
      return at === steps.length - 1 ? 'a' : `a${t}-${m}-${bytes}-`;
    })
    .join('');

/** libsodium's salt: 16 bytes, a shorter one repeated. */
const sodiumSalt = (salt: Uint8Array): Buffer => Buffer.alloc(16, salt);

const isArgon2 = ({ alg }: Step): boolean => alg === undefined;

const isWithin = ({ alg, t, m, bytes }: Step): boolean =>
  alg !== undefined ||
  (t >= 1 && t <= 10 && m >= 8 && m <= 256 * 1024 && bytes >= 16 && bytes <= 64);

export const magento = defineKind<Magento>({
  id: 'magento',
  fields: { chain: 'word', t: 'int', m: 'int', salt: 'bytes' },
  isWithinLimits: (params, bytes) => {
    const { chain, t, m, salt } = params;
    const steps = stepsOf(params, bytes);
    const total = steps.reduce((sum, step) => sum + step.m * step.t, 0);
    const isEndFast = steps.at(-1)?.alg !== undefined;
    return (
      // The longest word that a stored record can have.
      chain.length <= 32 &&
      steps.length >= 1 &&
      steps.length <= maxSteps &&
      steps.every(isWithin) &&
      total <= maxTotalKiB &&
      salt.length <= 64 &&
      (salt.length >= 1 || !steps.some(isArgon2)) &&
      steps.at(-1)?.bytes === bytes &&
      (!isEndFast || (t === 0 && m === 0))
    );
  },
  cost: (params, bytes) => {
    const costs = stepsOf(params, bytes)
      .filter(isArgon2)
      .map(({ t, m }) => argon2Cost(m, t));
    const sum = (a: Cost, b: Cost): Cost => ({
      key: `${a.key}+${b.key}`,
      relative: a.relative + b.relative,
      bytes: Math.max(a.bytes, b.bytes),
    });
    return costs.length === 0 ? fastCost('magento') : costs.reduce(sum);
  },
  securityClass: (params) => {
    const slow = stepsOf(params, 0).filter(isArgon2);
    if (slow.length > 0) return slow.some(({ t, m }) => m >= 19_456 && t >= 2) ? 'A' : 'B';
    return params.salt.length === 0 ? 'E' : 'D';
  },
  derive: (params, password, { bytes, tools }) => {
    const { salt } = params;
    const run = (input: Uint8Array, { alg, t, m, bytes: length }: Step): Uint8Array => {
      if (alg !== undefined) return fastHash(alg, salt, input);
      const options = { variant: 'id', version: 19, memoryKiB: m, passes: t, lanes: 1 };
      return tools.argon2(input, { ...options, bytes: length, salt: sodiumSalt(salt) });
    };
    const [first, ...rest] = stepsOf(params, bytes);
    if (first === undefined) throw new Error('no such chain');
    return rest.reduce(
      (value, step) => run(Buffer.from(Buffer.from(value).toString('hex')), step),
      run(password, first),
    );
  },
});
