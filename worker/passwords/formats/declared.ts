/**
 * A text in a format that an operator declared, as every login reads it: by itself where it says the same
 * undeclared, else in our own spelling (recipes/text.ts). A secret of another system that stands in
 * the text stays out of it: it must be in the key ring, and the record names it by id.
 */
import type { KeyRing } from '../keys.js';
import type { Recipe } from '../recipes/recipe.js';
import { kindOf } from '../recipes/recipes.js';
import { writeStored } from '../recipes/text.js';
import type { HashProblem, Options, StoredHash } from './format.js';
import { isRecognised, isUsable, readDeclared, readHash } from './formats.js';

export type Declared = { format: string; options: Options };
type Spelled = { stored: string; hash: StoredHash; hadSecret: boolean };

/** The recipe with its key id filled in. */
const withKey = (recipe: Recipe, id: string): Recipe => {
  const { fields } = kindOf(recipe);
  const names = Object.keys(fields).filter((name) => fields[name] === 'key');
  const filled = Object.fromEntries(names.map((name) => [name, id]));
  return { kind: recipe.kind, params: { ...recipe.params, ...filled } };
};

export const spellDeclared = (
  { format, options }: Declared,
  text: string,
  ring: Pick<KeyRing, 'idOf'>,
): Spelled | HashProblem => {
  const read = readDeclared(format, text, options);
  if (!isUsable(read)) return read;
  const { recipe, digest, secret } = read;
  if (secret === undefined && isRecognised(format)) {
    const same = readHash(text);
    if (isUsable(same) && same.format === format)
      return { stored: text, hash: same, hadSecret: false };
  }
  const id = secret && ring.idOf(secret);
  if (secret !== undefined && id === undefined) return 'key_unknown';
  const stored = writeStored(id === undefined ? recipe : withKey(recipe, id), digest);
  const hash = readHash(stored);
  return isUsable(hash) ? { stored, hash, hadSecret: id !== undefined } : hash;
};
