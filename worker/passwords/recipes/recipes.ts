/** The table of kinds. Adding a function is a file beside this one and a row here. */
import { argon2 } from './argon2.js';
import { bcrypt } from './bcrypt.js';
import { fbscrypt } from './fbscrypt.js';
import { keyIdsIn } from './params.js';
import { pbkdf2 } from './pbkdf2.js';
import type { Kind, Recipe } from './recipe.js';
import { scrypt } from './scrypt.js';
import { createWrap } from './wrap.js';
import { yescrypt } from './yescrypt.js';

/** Functions of a password; each can also stand inside a wrapped record. */
const plain: readonly Kind[] = [argon2, bcrypt, pbkdf2, scrypt, fbscrypt, yescrypt];
export const { kind: wrap, readSetting, writeSetting } = createWrap(plain);
export const kinds: readonly Kind[] = [...plain, wrap];

const byId: ReadonlyMap<string, Kind> = new Map(kinds.map((kind) => [kind.id, kind]));

export const findKind = (id: string): Kind | undefined => byId.get(id);

/** Throws an Error for a kind that is not in the table: recipes are made by our own code. */
export const kindOf = ({ kind: id }: Recipe): Kind => {
  const kind = byId.get(id);
  if (kind === undefined) throw new Error('no such kind of recipe');
  return kind;
};

/** The ids of the keys that a recipe needs, for lookup in the key ring. */
export const keyIdsOf = (recipe: Recipe): string[] => {
  const kind = kindOf(recipe);
  const inner = kind.innerKeyIds?.(recipe.params) ?? [];
  return [...keyIdsIn(kind, recipe.params), ...inner];
};
