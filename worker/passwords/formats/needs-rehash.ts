/**
 * Is a record weaker than what new ones are made of? Only *weaker* counts, never *different*: rules
 * that compare for equality rehash strong records to weaker ones when a setting is lowered. So a record
 * under another key than the current one is due, but not because there is no current one.
 *
 * Memory against passes: neither may be below OWASP's minimum, and above it their product counts, which
 * is the work of a guess and of what an attacker's memory is busy with. Were each compared by itself,
 * nodes with 64 MiB and two passes here, 19 MiB and six there, would rewrite each other's records at
 * every login; so each rewrite makes the product larger, and there is an end to it.
 */
import type { Recipe } from '../recipes/recipe.js';
import { type Target, weakestTarget } from './format.js';

const minSaltBytes = 16;
const minTagBytes = 32;

const isAtLeast = (value: unknown, least: number): boolean =>
  typeof value === 'number' && value >= least;

/** The floor is never above the target, so that what was just written is current. */
const isHardEnough = (m: unknown, t: unknown, { memoryKiB, passes }: Target): boolean =>
  isAtLeast(m, Math.min(memoryKiB, weakestTarget.memoryKiB)) &&
  isAtLeast(t, Math.min(passes, weakestTarget.passes)) &&
  isAtLeast(Number(m) * Number(t), memoryKiB * passes);

/** False for argon2id at least as strong as the target, under its key. */
export const needsRehash = (
  { kind, params }: Recipe,
  digest: Uint8Array,
  target: Target,
): boolean => {
  const { v, version, m, t, salt, key } = params;
  const isCurrent =
    kind === 'argon2' &&
    v === 'id' &&
    isAtLeast(version, 19) &&
    isHardEnough(m, t, target) &&
    salt instanceof Uint8Array &&
    salt.length >= minSaltBytes &&
    digest.length >= minTagBytes &&
    (target.pepper === undefined || key === target.pepper);
  return !isCurrent;
};
