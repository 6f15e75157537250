/**
 * The table of stored-hash formats and the one way to read a stored string. Adding a format is a file
 * beside this one and a row here. A string that no row claims is `hash_unknown`; nothing is tried.
 */
import { argon2 } from './argon2.js';
import { bcrypt } from './bcrypt.js';
import type { HashProblem, Reader, StoredHash } from './format.js';
import { pbkdf2Django } from './pbkdf2-django.js';
import { pbkdf2Passlib } from './pbkdf2-passlib.js';

/** argon2 first: after a migration nearly every record is one. */
export const formats: readonly Reader[] = [argon2, bcrypt, pbkdf2Passlib, pbkdf2Django];

const maxLength = 1024;

/** The hash behind a stored string, bounded and ready to verify, or why it cannot be used. */
export const readHash = (stored: string): StoredHash | HashProblem => {
  if (stored.length > maxLength) return 'hash_malformed';
  for (const format of formats) if (format.identify(stored)) return format.read(stored);
  return 'hash_unknown';
};

export const isUsable = (hash: StoredHash | HashProblem): hash is StoredHash =>
  typeof hash !== 'string';
