/**
 * What is remembered of an import, in a file beside the one that is imported: which file, read how, was
 * looked at in a dry run, which of its lines name an account a second time, and how far writing has
 * come. It has no hash and no name in it.
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readIfThere, replaceFile } from '../files.mjs';
import { Refusal } from '../refusal.mjs';

/**
 * @typedef {{ lines: number, ok: number, disabled: number, failed: number, codes: Record<string, number> }} Counts
 * @typedef {[line: number, code: string, first: number]} Repeat
 * @typedef {Counts & { through: number, resultBytes: number, isDone: boolean }} Written
 * @typedef {{ version: 1, digest: string, dry: Counts & { probed?: [number, number], repeats: Repeat[] }, written?: Written }} State
 */

export const stateFile = (/** @type {string} */ path) => `${path}.import-state.json`;

/** @param {string} path @returns {State | undefined} */
export const readState = (path) => {
  const text = readIfThere(path);
  if (text === undefined) return undefined;
  try {
    const state = JSON.parse(text);
    if (state.version === 1) return state;
  } catch {
    // Said below.
  }
  throw new Refusal(`${path} is not the state of an import. Remove it and begin with a dry run.`);
};

/** Durable and whole, or as it was. @param {string} path @param {State} state */
export const writeState = (path, state) => replaceFile(path, `${JSON.stringify(state)}\n`);

/**
 * Of the bytes of the file and of everything that says what they mean.
 * @param {string} path
 * @param {object} reading
 * @returns {Promise<string>}
 */
export const digestOf = async (path, reading) => {
  const hash = createHash('sha256').update(`${JSON.stringify(reading)}\n`);
  for await (const piece of createReadStream(path, { highWaterMark: 1024 * 1024 }))
    hash.update(piece);
  return hash.digest('hex');
};
