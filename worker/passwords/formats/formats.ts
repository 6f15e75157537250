/**
 * The one way to read a stored string. What is stored is either a spelling that means one thing
 * everywhere, or our own `$x-…` (recipes/text.ts), which an import writes for everything else. Nothing
 * is tried: exactly one reader may claim a string, and what nobody claims is `hash_unknown`.
 */
import { AppError } from '../../../shared/errors.js';
import type { Keys } from '../recipes/recipe.js';
import { keyIdsOf, kindOf } from '../recipes/recipes.js';
import { candidatesOf } from './detect.js';
import type {
  Format,
  HashProblem,
  Options,
  Parsed,
  ParseProblem,
  StoredHash,
  Target,
} from './format.js';
import { needsRehash } from './needs-rehash.js';
import { byId, formats } from './table.js';

const maxLength = 1024;
/** Keycloak's records are JSON. */
const maxDeclaredLength = 4096;
const noKeys: Keys = {};

const toStoredHash = (format: string, { recipe, digest }: Parsed): StoredHash | HashProblem => {
  const kind = kindOf(recipe);
  if (!kind.isWithinLimits(recipe.params, digest.length)) return 'hash_limit';
  if (kind.lacks?.(recipe.params) !== undefined) return 'hash_unsupported';
  const lackWith = (password: string | Uint8Array, keys: Keys) =>
    kind.lacks?.(recipe.params, { password, keys, bytes: digest.length });
  // Written out: an import reads millions, and a spread costs as much as the rest.
  return {
    format,
    recipe,
    digest,
    keyIds: keyIdsOf(recipe),
    securityClass: kind.securityClass(recipe.params),
    cost: kind.cost(recipe.params, digest.length),
    lacksKey: (keys) => lackWith('', keys) === 'key',
    verify: (password, keys = noKeys) => {
      const lack = lackWith(password, keys);
      if (lack !== undefined) throw new AppError(`${lack}_missing`, { detail: recipe.kind });
      return ['verify', recipe, digest, password, keys];
    },
    ignores: (password) => kind.ignores?.(recipe.params, Buffer.from(password)) ?? false,
    needsRehash: (target: Target) => needsRehash(recipe, digest, target),
  };
};

/** The one that claims a stored text. */
const findFormat = (stored: string): Format | undefined =>
  formats.find(({ identify }) => identify?.(stored) === true);

const findDeclared = (formatId: string): Format | undefined => byId.get(formatId);

const isPlaced = (problem: ParseProblem): problem is `hash_malformed:${string}` =>
  problem.startsWith('hash_malformed:');

const codeOf = (problem: ParseProblem): HashProblem =>
  isPlaced(problem) ? 'hash_malformed' : problem;

/** The hash behind a stored string, bounded and ready to verify, or why it cannot be used. */
export const readHash = (stored: string): StoredHash | HashProblem => {
  if (stored.length > maxLength) return 'hash_malformed';
  const format = findFormat(stored);
  if (format === undefined)
    return candidatesOf(stored).length > 0 ? 'hash_ambiguous' : 'hash_unknown';
  const parsed = format.parse(stored, {});
  return typeof parsed === 'string' ? codeOf(parsed) : toStoredHash(format.id, parsed);
};

/** The ids that can be declared. */
export const formatIds = (): string[] => formats.map(({ id }) => id);

/**
 * What another product wrote, in the format that is declared. Strictly that one: a string that does
 * not parse as declared is a problem even if another format would take it.
 */
export const readDeclared = (
  formatId: string,
  text: string,
  options: Options,
): (StoredHash & { secret?: Uint8Array }) | HashProblem => {
  const format = findDeclared(formatId);
  if (format === undefined) return 'hash_unknown';
  if (text.length > maxDeclaredLength) return 'hash_malformed';
  const parsed = format.parse(text, options);
  if (typeof parsed === 'string') return codeOf(parsed);
  const hash = toStoredHash(formatId, parsed);
  if (typeof hash === 'string' || parsed.secret === undefined) return hash;
  return { ...hash, secret: parsed.secret };
};

/** Of what is malformed: the number of the character or the name of the piece, where that is known. */
export const placeOf = (formatId: string, text: string, options: Options): string | undefined => {
  const format = formatId === '' ? findFormat(text) : findDeclared(formatId);
  const isShort = text.length <= (formatId === '' ? maxLength : maxDeclaredLength);
  const parsed = isShort ? format?.parse(text, options) : undefined;
  return typeof parsed === 'string' && isPlaced(parsed) ? parsed.slice(15) : undefined;
};

/** Whether there are strings that `readHash` reads as this format. */
export const isRecognised = (formatId: string): boolean =>
  findDeclared(formatId)?.identify !== undefined;

/** Whether each of its strings repeats a secret that belongs into the key ring. */
export const hasSecret = (formatId: string): boolean => findDeclared(formatId)?.hasSecret === true;

/** A hash, and not the reason why there is none. */
export const isUsable = <T extends StoredHash>(hash: T | HashProblem): hash is T =>
  typeof hash !== 'string';
