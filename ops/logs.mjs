/**
 * One log file per program under `DATA_DIR/logs`, appended to by the program itself; one older
 * generation is kept. When a program dies at its start, its last words are in there.
 */
import { closeSync, fstatSync, openSync, readFileSync, renameSync, statSync } from 'node:fs';
import { join } from 'node:path';

const rotateBytes = 16 * 1024 * 1024;

/** @param {string} path */
const sizeOf = (path) => statSync(path, { throwIfNoEntry: false })?.size ?? 0;

/**
 * What a person should read: plain lines if there are any (a refusal to start, a stack), else the
 * message of the last log entry.
 * @param {string} text
 */
const pickLastWords = (text) => {
  const lines = text.split('\n').filter((line) => line.trim() !== '');
  const plain = lines.filter((line) => !line.startsWith('{'));
  if (plain.length > 0) return plain.slice(-8).join('\n');
  try {
    const entry = JSON.parse(lines.at(-1) ?? '');
    return [entry.msg, entry.err?.message].filter(Boolean).join(': ');
  } catch {
    return '';
  }
};

/**
 * `lastWords` reads what has been written since this call. Close `fd` once the child has it.
 * @param {import('./paths.mjs').Paths} paths
 * @param {string} name
 */
export const openLog = (paths, name) => {
  const path = join(paths.logs, `${name}.log`);
  if (sizeOf(path) > rotateBytes) renameSync(path, `${path}.1`);
  const fd = openSync(path, 'a', 0o600);
  const from = fstatSync(fd).size;
  return {
    path,
    fd,
    close: () => closeSync(fd),
    lastWords: () => pickLastWords(readFileSync(path).subarray(from).toString()),
  };
};
