/**
 * A recipe as text: its parameters (params.ts), and with kind and digest the stored form of whatever
 * has no unambiguous spelling of its own: `$x-<kind>$<parameters>$<digest>`. No other product reads
 * `x-`.
 */
import { readParams, toBase64, writeParams } from './params.js';
import type { Recipe } from './recipe.js';
import { findKind, kindOf } from './recipes.js';

/** Undefined unless it is exactly what `writeParams` writes for that kind. */
export const readRecipe = (kindId: string, text: string): Recipe | undefined => {
  const kind = findKind(kindId);
  const params = kind && readParams(kind, text);
  return params && { kind: kindId, params };
};

/** `$x-<kind>$<parameters>$<digest>`. */
export const writeStored = (recipe: Recipe, digest: Uint8Array): string =>
  `$x-${recipe.kind}$${writeParams(kindOf(recipe), recipe.params)}$${toBase64(digest)}`;
