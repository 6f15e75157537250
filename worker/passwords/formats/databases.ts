/**
 * Passwords of database accounts that became those of an application. MySQL 4.1: `*` and 40 hex digits,
 * which tools also print without the star. MySQL before it: 16 hex digits. PostgreSQL: `md5` and 32 hex
 * digits over password and user name, which the option `user` must bring.
 */
import { digestRecipe, joinDigest } from './digest-text.js';
import type { Format } from './format.js';
import { readHex } from './strict.js';

export const mysql41: Format = {
  id: 'mysql41',
  identify: (stored) => /^\*[0-9A-Fa-f]{40}$/.test(stored),
  parse: (text) => joinDigest(digestRecipe('sha1', 'hp'), readHex(text.replace(/^\*/, ''))),
};

export const mysql323: Format = {
  id: 'mysql323',
  parse: (text) => joinDigest(digestRecipe('mysql323', 'p'), readHex(text)),
};

export const postgresMd5: Format = {
  id: 'postgres-md5',
  parse: (text, { user = '' }) => {
    if (user === '') return 'hash_option';
    if (!text.startsWith('md5')) return 'hash_malformed:1';
    return joinDigest(digestRecipe('md5', 'ps', Buffer.from(user)), readHex(text.slice(3)));
  },
};
