/** The way to a kind by its id. */
import { byId } from './kinds.js';
import { keyIdsIn } from './params.js';
import type { Kind, Recipe } from './recipe.js';

/** Undefined for a name that is not in the table: it came from a stored text. */
export const findKind = (id: string): Kind | undefined => byId.get(id);

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
