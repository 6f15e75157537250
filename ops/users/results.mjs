/**
 * The results of an import, one line of NDJSON for each line of the file, in its order. Nobody else may
 * read it: it says who has an account.
 */
import { closeSync, ftruncateSync, openSync } from 'node:fs';
import { codeOf, naming, writeAll } from '../files.mjs';
import { Refusal } from '../refusal.mjs';

/** @typedef {import('./pass.mjs').Answered} Answered */

/** @param {Answered} answered */
const format = ({ items, results, sent, ids }) => {
  const said = new Map(results.map((result) => [result.line, result]));
  const idOf = new Map(sent.map(({ line }, at) => [line, ids[at]]));
  return items
    .map(({ line }) => {
      const id = idOf.get(line);
      const known = id ? { line, id } : { line };
      return `${JSON.stringify({ ...known, ok: true, ...said.get(line) })}\n`;
    })
    .join('');
};

/**
 * Without a path nothing is kept. `from`: what is in the file behind that many bytes is written again.
 * @param {string | undefined} path
 * @param {number} [from]
 */
export const openResults = (path, from = 0) => {
  if (path === undefined) return { write: () => {}, bytes: () => 0, close: () => {} };
  let bytes = from;
  let fd = 0;
  try {
    fd = openSync(path, from === 0 ? 'w' : 'r+', 0o600);
    ftruncateSync(fd, from);
  } catch (error) {
    throw new Refusal(`${path} cannot be written (${codeOf(error)}).`);
  }
  return {
    /** @param {Answered} answered */
    write: (answered) => {
      bytes += naming(path, () => writeAll(fd, format(answered), bytes));
    },
    bytes: () => bytes,
    close: () => closeSync(fd),
  };
};
