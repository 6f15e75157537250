/**
 * The stored texts of a table that somebody else owns, in a format that the operator declared: what
 * means one thing everywhere is left as it is, the rest becomes our own spelling for the reader.
 */
import { writeStored } from '../recipes/text.js';
import { noPassword, type Options } from './format.js';
import { formatIds, isUsable, readDeclared, readHash } from './formats.js';

type Declared = { format: string; options: Options };

/** `format` or `format,option=value,…`. Throws an Error that says what is wrong. */
export const readDeclaration = (text: string): Declared => {
  const [format = '', ...pairs] = text.split(',');
  const known = formatIds();
  if (!known.includes(format))
    throw new Error(`CREDENTIALS_FORMAT is none of ${known.join(', ')}.`);
  const options = pairs.map((pair): [string, string] => {
    const at = pair.indexOf('=');
    if (at < 1) throw new Error('CREDENTIALS_FORMAT must be format,option=value,option=value.');
    return [pair.slice(0, at), pair.slice(at + 1)];
  });
  return { format, options: Object.fromEntries(options) };
};

/** An empty text is no password. What cannot be used stays as it is, and is said to be by whoever reads it next. */
export const createTranslate =
  (declared: Declared | undefined) =>
  (text: string): string => {
    if (text === '') return noPassword;
    if (declared === undefined || isUsable(readHash(text))) return text;
    const hash = readDeclared(declared.format, text, declared.options);
    if (!isUsable(hash) || hash.secret !== undefined) return text;
    return writeStored(hash.recipe, hash.digest);
  };
