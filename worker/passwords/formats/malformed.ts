/**
 * Where a spelling stops following its grammar: what an import tells an operator about a line, who sees
 * neither our grammars nor what is wrong with 200 characters of hash. Only a number or the name of a
 * piece comes out of here, never a character of the text.
 */
import type { ParseProblem } from './format.js';

/** The words of a regular expression: escapes, classes, openings of groups, quantifiers, characters. */
const words = /\\p\{\w+\}|\\.|\[(?:\\.|[^\]\\])*\]|\{\d+(?:,\d*)?\}|\(\?(?:[:=!]|<\w+>)|./gsu;

const isQuantifier = (word: string): boolean => /^([*+?]|\{\d.*)$/.test(word);

/** What begins as the grammar does and ends between two of its pieces, the longest first. */
const readBeginnings = ({ source, flags }: RegExp): RegExp[] => {
  const found: RegExp[] = [];
  const all = source.match(words) ?? [];
  let depth = 0;
  let text = '';
  for (const [at, word] of all.entries()) {
    if (word.startsWith('(')) depth++;
    if (word === ')') depth--;
    text += word;
    if (depth === 0 && !isQuantifier(all[at + 1] ?? '')) found.unshift(new RegExp(text, flags));
  }
  return found;
};

const known = new WeakMap<RegExp, RegExp[]>();

const beginningsOf = (grammar: RegExp): RegExp[] => {
  const found = known.get(grammar) ?? readBeginnings(grammar);
  known.set(grammar, found);
  return found;
};

/** Of a text that the grammar does not match: the number of the character where it leaves it. */
export const outside = (grammar: RegExp, text: string): ParseProblem => {
  for (const beginning of beginningsOf(grammar)) {
    const followed = beginning.exec(text)?.[0];
    if (followed !== undefined) return `hash_malformed:${followed.length + 1}`;
  }
  return 'hash_malformed:1';
};

/** Of a text that is written well, with a piece that cannot be read: the piece's name. */
export const unread = (pieces: Readonly<Record<string, unknown>>): ParseProblem => {
  const name = Object.keys(pieces).find((each) => pieces[each] === undefined);
  return name === undefined ? 'hash_malformed' : `hash_malformed:${name}`;
};

/** What was found in the rest of a longer text, `by` characters in. */
export const shifted = <T>(found: T | ParseProblem, by: number): T | ParseProblem => {
  if (typeof found !== 'string') return found;
  const at = /^hash_malformed:(\d+)$/.exec(found)?.[1];
  return at === undefined ? found : `hash_malformed:${Number(at) + by}`;
};
