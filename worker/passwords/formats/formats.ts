/**
 * The table of formats and the one way to read a stored string. Adding a format is a file beside this
 * one and a row here. What is stored is either a spelling that means one thing everywhere, or our own
 * `$x-…` (recipes/text.ts), which an import writes for everything else. Nothing is tried: exactly one
 * reader may claim a string, and what nobody claims is `hash_unknown`.
 */
import { AppError } from '../../../shared/errors.js';
import type { Keys } from '../recipes/recipe.js';
import { keyIdsOf, kindOf } from '../recipes/recipes.js';
import { argon2 } from './argon2.js';
import { aspnetIdentity } from './aspnet-identity.js';
import { bcrypt } from './bcrypt.js';
import { bcryptFormats } from './bcrypt-prehashed.js';
import { candidatesOf } from './detect.js';
import { fastFormats } from './fast.js';
import { firebaseFormats } from './firebase-scrypt.js';
import type { Format, HashProblem, Options, Parsed, StoredHash, Target } from './format.js';
import { keycloak } from './keycloak.js';
import { needsRehash } from './needs-rehash.js';
import { own } from './own.js';
import { pbkdf2Django } from './pbkdf2-django.js';
import { pbkdf2Formats } from './pbkdf2-others.js';
import { pbkdf2Passlib } from './pbkdf2-passlib.js';
import { scryptFormats } from './scrypt.js';
import { spring } from './spring.js';
import { wrapped } from './wrapped.js';
import { yescryptFormats } from './yescrypt.js';

/** argon2 first: after a migration nearly every record is one. */
export const formats: readonly Format[] = [
  ...[argon2, own, wrapped],
  ...[bcrypt, ...bcryptFormats],
  ...[pbkdf2Passlib, pbkdf2Django, ...pbkdf2Formats, aspnetIdentity],
  ...[...scryptFormats, ...firebaseFormats],
  ...[keycloak, spring],
  ...yescryptFormats,
  ...fastFormats,
];

const byId: ReadonlyMap<string, Format> = new Map(formats.map((format) => [format.id, format]));

const maxLength = 1024;
/** Keycloak's records are JSON. */
const maxDeclaredLength = 4096;
const noKeys: Keys = {};

const toStoredHash = (format: string, { recipe, digest }: Parsed): StoredHash | HashProblem => {
  const kind = kindOf(recipe);
  if (!kind.isWithinLimits(recipe.params, digest.length)) return 'hash_limit';
  if (kind.lacks?.(recipe.params) !== undefined) return 'hash_unsupported';
  // Written out: an import reads millions, and a spread costs as much as the rest.
  return {
    format,
    recipe,
    digest,
    keyIds: keyIdsOf(recipe),
    securityClass: kind.securityClass(recipe.params),
    cost: kind.cost(recipe.params, digest.length),
    verify: (password, keys = noKeys) => {
      const lack = kind.lacks?.(recipe.params, { password, keys, bytes: digest.length });
      if (lack !== undefined) throw new AppError(`${lack}_missing`, { detail: recipe.kind });
      return ['verify', recipe, digest, password, keys];
    },
    needsRehash: (target: Target) => needsRehash(recipe, digest, target),
  };
};

/** The hash behind a stored string, bounded and ready to verify, or why it cannot be used. */
export const readHash = (stored: string): StoredHash | HashProblem => {
  if (stored.length > maxLength) return 'hash_malformed';
  for (const format of formats) {
    if (format.identify?.(stored) !== true) continue;
    const parsed = format.parse(stored, {});
    return typeof parsed === 'string' ? parsed : toStoredHash(format.id, parsed);
  }
  return candidatesOf(stored).length > 0 ? 'hash_ambiguous' : 'hash_unknown';
};

/**
 * What another product wrote, in the format that is declared. Strictly that one: a string that does
 * not parse as declared is a problem even if another format would take it.
 */
export const readDeclared = (
  formatId: string,
  text: string,
  options: Options,
): (StoredHash & { secret?: Uint8Array }) | HashProblem => {
  const format = byId.get(formatId);
  if (format === undefined) return 'hash_unknown';
  if (text.length > maxDeclaredLength) return 'hash_malformed';
  const parsed = format.parse(text, options);
  if (typeof parsed === 'string') return parsed;
  const hash = toStoredHash(formatId, parsed);
  if (typeof hash === 'string' || parsed.secret === undefined) return hash;
  return { ...hash, secret: parsed.secret };
};

/** Whether there are strings that `readHash` reads as this format. */
export const isRecognised = (formatId: string): boolean =>
  byId.get(formatId)?.identify !== undefined;

export const isUsable = <T extends StoredHash>(hash: T | HashProblem): hash is T =>
  typeof hash !== 'string';
