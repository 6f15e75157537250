/**
 * Is a record weaker than what new ones are made of? Only *weaker* counts, never *different*: rules
 * that compare for equality rehash strong records to weaker ones when a setting is lowered. So a record
 * under another key than the current one is due, but not because there is no current one.
 */
import type { Recipe } from '../recipes/recipe.js';
import type { Target } from './format.js';

const minSaltBytes = 16;
const minTagBytes = 32;

const isAtLeast = (value: unknown, least: number): boolean =>
  typeof value === 'number' && value >= least;

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
    isAtLeast(m, target.memoryKiB) &&
    isAtLeast(t, target.passes) &&
    salt instanceof Uint8Array &&
    salt.length >= minSaltBytes &&
    digest.length >= minTagBytes &&
    (target.pepper === undefined || key === target.pepper);
  return !isCurrent;
};
