/**
 * What a format is: one spelling of stored hashes by one product or family. It says which strings are
 * its own and turns one, strictly and as a whole, into a recipe and a digest. It computes nothing:
 * limits, cost and work follow from the recipe, and no work exists before its parameters were found to
 * be within limits, because whoever supplied the string chose them.
 */
import type { Finding } from '../../../shared/import-batch.js';
import type { Cost, Keys, Recipe, SecurityClass } from '../recipes/recipe.js';
import type { Work } from '../work.js';

/** What an account without a password stores: no reader takes it for a hash. */
export const noPassword = '!';

/** What a text in a declared format is read as where something of ours is not here. Never stored. */
const lackTexts = {
  key_unknown: '$x-lacks-key$$',
  hash_unsupported: '$x-lacks-library$$',
} as const;
type Lack = keyof typeof lackTexts;

export const lackTextOf = (problem: HashProblem): string | undefined =>
  problem === 'key_unknown' || problem === 'hash_unsupported' ? lackTexts[problem] : undefined;

export const readLack = (text: string): Lack | undefined => {
  if (text === lackTexts.key_unknown) return 'key_unknown';
  return text === lackTexts.hash_unsupported ? 'hash_unsupported' : undefined;
};

/** The parameters that new hashes are made with; `pepper` is the id of their key. */
export type Target = { memoryKiB: number; passes: number; lanes: number; pepper?: string };

/**
 * Why a stored string cannot be used; the names are those of the public reasons.
 * ambiguous: several products mean different things by it, so the format must be declared ·
 * option: a declared option is missing or wrong · unsupported: this machine lacks the optional library
 * that computes it · plaintext, unusable: there is no hash in it · key_unknown: of a secret in it, which the
 * key ring does not have.
 */
export type HashProblem = Exclude<
  Finding,
  'hash_mismatch' | 'hash_wrapped' | 'secret_in_row' | 'exists'
>;

/** What is known about a record besides its string, as declared at import: algorithm, order, … */
export type Options = Readonly<Record<string, string>>;

export type Parsed = {
  recipe: Recipe;
  digest: Uint8Array;
  /**
   * A secret that stands in the row and belongs into the key ring; the recipe's key id is then to be
   * filled in by whoever imports it.
   */
  secret?: Uint8Array;
};

/** As a reader says it: of what is malformed also where, by number or name (malformed.ts). */
export type ParseProblem = HashProblem | `hash_malformed:${string}`;

export type Format = {
  /** The name to declare at an import. */
  id: string;
  /**
   * By prefix alone, and only what means one thing in every product (at most one format may claim a
   * string). A format without it has to be declared.
   */
  identify?: (stored: string) => boolean;
  /** Every string repeats a secret that belongs into the key ring. */
  hasSecret?: true;
  /** The whole string, strictly. */
  parse: (stored: string, options: Options) => Parsed | ParseProblem;
};

/** A stored hash that may be worked with. */
export type StoredHash = {
  format: string;
  recipe: Recipe;
  digest: Uint8Array;
  securityClass: SecurityClass;
  cost: Cost;
  /** What `verify` needs of the key ring. */
  keyIds: readonly string[];
  /** Of these keys, which have the right names: whether one cannot be the right key. */
  lacksKey: (keys: Keys) => boolean;
  /** AppError key_missing or library_missing: never a wrong password. */
  verify: (password: string | Uint8Array, keys?: Keys) => Work;
  /** Would the password match as well with other bytes, or without some? */
  ignores: (password: string) => boolean;
  needsRehash: (target: Target) => boolean;
};
