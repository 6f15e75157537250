/**
 * The stored texts of a table that somebody else owns, in a format that the operator declared. What a text
 * means is what was declared, also where it looks like something else: a bcrypt over a pepper looks like any
 * bcrypt. Only what is not of that format says by itself what it is, as every hash that we wrote there.
 */
import type { KeyRing } from '../keys.js';
import type { Keys } from '../recipes/recipe.js';
import { writeStored } from '../recipes/text.js';
import { type Declared, spellDeclared } from './declared.js';
import { type HashProblem, lackTextOf, noPassword } from './format.js';
import { formatIds, hasSecret, isUsable, readDeclared, readHash } from './formats.js';

/** Of no format, but far enough into each that its options are looked at. */
const probe = '0000:0000';
/** What a format may ask for. */
const optionNames: readonly string[] = [
  ...['alg', 'order', 'encoding', 'salt', 'salt-encoding', 'sep', 'sep-encoding', 'ln', 'r'],
  ...['key', 'prehash', 'template', 'user', 'iterations'],
];
/** What no text would change. */
const hopeless: readonly HashProblem[] = ['hash_option', 'hash_plaintext', 'hash_unusable'];

/** A name that may be said aloud: base64 in the wrong place does not look like one. */
const saidAs = (name: string): string => (/^[a-z][a-z-]{0,15}$/.test(name) ? ` ${name}` : '');

/** Why nobody could ever sign in with it. */
const problemOf = ({ format, options }: Declared, keys: Keys): string | undefined => {
  const known = formatIds();
  if (!known.includes(format)) return `the format is none of ${known.join(', ')}`;
  const strange = Object.keys(options).find((name) => !optionNames.includes(name));
  if (strange !== undefined)
    return `no format knows the option${saidAs(strange)}; there are ${optionNames.join(', ')}`;
  const read = readDeclared(format, probe, options);
  if (!isUsable(read) && hopeless.includes(read))
    return `${format} lacks an option or has a wrong one: docs/password-hashes.md has the options of each format`;
  const { key } = options;
  if (key !== undefined && !Object.hasOwn(keys, key))
    return 'key must be the id of a key in PASSWORD_KEYS';
  if (hasSecret(format) && Object.keys(keys).length === 0)
    return `every hash of ${format} repeats a secret, which must be in PASSWORD_KEYS`;
  return undefined;
};

/** `format` or `format,option=value,…`. Throws an Error that says what is wrong, and no value of an option. */
export const readDeclaration = (text: string, keys: Keys): Declared => {
  const [format = '', ...pairs] = text.split(',');
  const options = pairs.map((pair): [string, string] => {
    const at = pair.indexOf('=');
    if (at < 1) throw new Error('CREDENTIALS_FORMAT must be format,option=value,option=value.');
    return [pair.slice(0, at), pair.slice(at + 1)];
  });
  const declared = { format, options: Object.fromEntries(options) };
  const problem = problemOf(declared, keys);
  if (problem !== undefined) throw new Error(`CREDENTIALS_FORMAT: ${problem}.`);
  return declared;
};

/** Is it the same hash undeclared? */
const isSaidPlainly = (text: string, spelled: string): boolean => {
  const plain = readHash(text);
  return isUsable(plain) && writeStored(plain.recipe, plain.digest) === spelled;
};

/**
 * An empty text is no password. What cannot be used stays as it is, and is said to be by whoever reads it next;
 * but what lacks a key or a library of ours is never to look like a wrong password (format.ts).
 */
export const createTranslate =
  (declared: Declared | undefined, ring: Pick<KeyRing, 'idOf'>) =>
  (text: string): string => {
    if (text === '') return noPassword;
    if (declared === undefined) return text;
    const spelled = spellDeclared(declared, text, ring);
    if (typeof spelled === 'string') return lackTextOf(spelled) ?? text;
    return isSaidPlainly(text, spelled.stored) ? text : spelled.stored;
  };
