/**
 * The way to a kind by its id. argon2 is nearly all of it (new hashes, and every record after its
 * migration), so it stands alone: the table of the others is loaded with the first record that needs
 * one, because a node that starts has logins waiting for its core.
 */
import { createRequire } from 'node:module';
import { lazily } from '../lazily.js';
import { argon2 } from './argon2.js';
import { keyIdsIn } from './params.js';
import type { Kind, Recipe } from './recipe.js';
import type { Inner } from './wrap.js';

const require = createRequire(import.meta.url);
const loadTable = lazily((): typeof import('./kinds.js') => require('./kinds.js'));

/** Undefined for a name that is not in the table: it came from a stored text. */
export const findKind = (id: string): Kind | undefined =>
  id === argon2.id ? argon2 : loadTable().byId.get(id);

/** Throws an Error for a kind that is not in the table: recipes are made by our own code. */
export const kindOf = ({ kind: id }: Recipe): Kind => {
  const kind = findKind(id);
  if (kind === undefined) throw new Error('no such kind of recipe');
  return kind;
};

/** The ids of the keys that a recipe needs, for lookup in the key ring. */
export const keyIdsOf = (recipe: Recipe): string[] => {
  const kind = kindOf(recipe);
  const inner = kind.innerKeyIds?.(recipe.params) ?? [];
  return [...keyIdsIn(kind, recipe.params), ...inner];
};

/** The inner setting of a wrapped record (wrap.ts). */
export const readSetting = (id: string, setting: Uint8Array) =>
  loadTable().readSetting(id, setting);
export const writeSetting = (inner: Inner): Uint8Array => loadTable().writeSetting(inner);
