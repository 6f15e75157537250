/**
 * Passwords that are refused because everyone tries them first: the built-in list, and the lines of
 * PASSWORD_BLOCKLIST_FILE. Case does not matter. Everything stays in memory; nothing is asked of a
 * network.
 */
import { readFileSync } from 'node:fs';
import { commonPasswords } from './blocklist-words.js';

/** Throws when the file cannot be read: a list that was asked for must not be silently missing. */
export const createBlocklist = (file?: string) => {
  const words = new Set(commonPasswords.trim().split(/\s+/));
  const extra = file === undefined ? '' : readFileSync(file, 'utf8');
  for (const line of extra.split(/\r?\n/))
    if (line !== '') words.add(line.normalize('NFC').toLowerCase());
  return { has: (password: string): boolean => words.has(password.toLowerCase()) };
};

export type Blocklist = ReturnType<typeof createBlocklist>;
