/**
 * One log file per program under `DATA_DIR/logs`, appended to by the program itself; one older
 * generation is kept. When a program dies at its start, its last words are in there.
 */
import {
  appendFileSync,
  closeSync,
  copyFileSync,
  fstatSync,
  openSync,
  readdirSync,
  readSync,
  renameSync,
  statSync,
  truncateSync,
} from 'node:fs';
import { join } from 'node:path';
import { codeOf, removeIfThere } from './files.mjs';

/** @typedef {{ logs: string }} Place */

const rotateBytes = 64 * 1024 * 1024;
const newestBytes = 1024 * 1024; // what stays of a log when there is no room for a copy
const everyMs = 60_000;

/** @param {string} path */
const sizeOf = (path) => statSync(path, { throwIfNoEntry: false })?.size ?? 0;

/** What is in a file from a place on. @param {string} path @param {number} from */
const readFrom = (path, from) => {
  const fd = openSync(path, 'r');
  try {
    const bytes = Buffer.alloc(Math.max(0, fstatSync(fd).size - from));
    return bytes.subarray(0, readSync(fd, bytes, 0, bytes.length, from));
  } finally {
    closeSync(fd);
  }
};

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

/** '' when it cannot be read: it only explains. @param {string} path @param {number} from */
const readLastWords = (path, from) => {
  try {
    return pickLastWords(readFrom(path, from).toString());
  } catch {
    return '';
  }
};

/**
 * `lastWords` reads what has been written since this call. Close `fd` once the child has it.
 * @param {Place} paths
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
    lastWords: () => readLastWords(path, from),
  };
};

/**
 * The writer keeps its file, so that is copied and emptied; it appends, so it goes on at the
 * beginning. Where a copy fails the newest lines stay and the rest goes: a full disk stops more than
 * a log. Returns why it failed, or ''.
 * @param {string} path
 */
const rotate = (path) => {
  const older = `${path}.1`;
  try {
    copyFileSync(path, older);
    // Lines that came meanwhile; the instant until it is emptied is all in which one can be lost.
    appendFileSync(older, readFrom(path, sizeOf(older)));
    truncateSync(path);
    return '';
  } catch (error) {
    const newest = readFrom(path, Math.max(0, sizeOf(path) - newestBytes));
    truncateSync(path);
    appendFileSync(path, newest.subarray(newest.indexOf('\n') + 1));
    removeIfThere(older);
    return codeOf(error);
  }
};

/**
 * Rotates the logs that are larger than `limit`; returns why one could not be, or ''.
 * @param {Place} paths
 */
export const rotateLogs = ({ logs }, limit = rotateBytes) => {
  try {
    const names = readdirSync(logs).filter((name) => name.endsWith('.log'));
    const large = names.map((name) => join(logs, name)).filter((path) => sizeOf(path) > limit);
    return large.map(rotate).find((problem) => problem !== '') ?? '';
  } catch (error) {
    return codeOf(error);
  }
};

/** Looks every minute while we live. @param {Place} paths @param {(text: string) => void} say */
export const keepLogsSmall = (paths, say) => {
  let told = '';
  const look = () => {
    const problem = rotateLogs(paths);
    if (problem !== '' && problem !== told)
      say(`Logs in ${paths.logs} could not be kept whole (${problem}): make room there.`);
    told = problem;
  };
  setInterval(look, everyMs).unref();
};
