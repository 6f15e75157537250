/**
 * A recipe as text, one spelling for each: `k=v,k=v` in the order of the kind's fields, numbers in
 * decimal, bytes in base64 without padding. With kind and digest it is the stored form of whatever has
 * no unambiguous spelling of its own: `$x-<kind>$<parameters>$<digest>`. No other product reads `x-`.
 */
import { readBase64, readDecimal } from '../formats/strict.js';
import type { FieldType, Params, Recipe } from './recipe.js';
import { findKind, kindOf } from './recipes.js';

export const toBase64 = (bytes: Uint8Array): string =>
  Buffer.from(bytes).toString('base64').replace(/=+$/, '');

const writeValue = (value: number | string | Uint8Array | undefined): string =>
  value instanceof Uint8Array ? toBase64(value) : String(value);

const readValue = (text: string, type: FieldType): number | string | Uint8Array | undefined => {
  if (type === 'int') return readDecimal(text);
  if (type === 'bytes') return readBase64(text);
  if (type === 'key') return /^(-|[a-z0-9][a-z0-9_-]{0,7})$/.test(text) ? text : undefined;
  return /^[a-z0-9-]{1,32}$/.test(text) ? text : undefined;
};

/** The parameters alone. */
export const writeParams = (recipe: Recipe): string =>
  Object.keys(kindOf(recipe).fields)
    .map((name) => `${name}=${writeValue(recipe.params[name])}`)
    .join(',');

/** Undefined unless it is exactly what `writeParams` writes for that kind. */
export const readRecipe = (kindId: string, text: string): Recipe | undefined => {
  const kind = findKind(kindId);
  if (kind === undefined) return undefined;
  const names = Object.entries(kind.fields);
  const parts = text.split(',');
  if (parts.length !== names.length) return undefined;
  const params: Record<string, Params[string]> = {};
  for (const [index, [name, type]] of names.entries()) {
    const part = parts[index] ?? '';
    if (!part.startsWith(`${name}=`)) return undefined;
    const value = readValue(part.slice(name.length + 1), type);
    if (value === undefined) return undefined;
    params[name] = value;
  }
  return { kind: kindId, params };
};

export const writeStored = (recipe: Recipe, digest: Uint8Array): string =>
  `$x-${recipe.kind}$${writeParams(recipe)}$${toBase64(digest)}`;
