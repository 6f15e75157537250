/**
 * The digests of Spring Security's DelegatingPasswordEncoder: `{MD5}{salt}hex` and its siblings, where
 * the braces belong to the salt, `{sha256}` with 8 bytes of salt before the digest (1024 rounds), and
 * `{ldap}` with an LDAP string. Ids are case-sensitive: `{SHA256}` is LDAP's.
 */
import { digestRecipe, joinDigest } from './digest-text.js';
import type { Parsed, ParseProblem } from './format.js';
import { ldap } from './ldap.js';
import { outside, shifted } from './malformed.js';
import { readHex } from './strict.js';

const ids = /^\{(MD4|MD5|SHA-1|SHA-256|sha256)\}/;
const plain = /^\{(MD4|MD5|SHA-1|SHA-256)\}(\{[^{}\p{Cc}]+\})?([0-9a-f]+)$/u;
const standard = /^\{sha256\}([0-9a-f]{16})([0-9a-f]{64})$/;

/** hash_unknown for an id that is none of these. */
export const readSpringDigest = (text: string): Parsed | ParseProblem => {
  if (text.startsWith('{ldap}')) return shifted(ldap.parse(text.slice(6), {}), 6);
  const [, saltHex, rounds = ''] = standard.exec(text) ?? [];
  if (saltHex !== undefined) {
    const recipe = digestRecipe('sha256', 'sp1024', Buffer.from(saltHex, 'hex'));
    return joinDigest(recipe, readHex(rounds));
  }
  const [, id, salt, digest = ''] = plain.exec(text) ?? [];
  if (id === undefined) return ids.test(text) ? outside(plain, text) : 'hash_unknown';
  const alg = id.toLowerCase().replace('-', '');
  const recipe =
    salt === undefined ? digestRecipe(alg, 'p') : digestRecipe(alg, 'ps', Buffer.from(salt));
  return joinDigest(recipe, readHex(digest));
};
