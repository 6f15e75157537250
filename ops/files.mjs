/**
 * Files that other processes read while we write them. Both ways of writing are atomic and durable:
 * a reader sees the whole text or none, also after a crash or a power cut. Everything is private
 * (0600 in 0700) because most of it is secret and the rest says where the secrets are.
 */
import { randomBytes } from 'node:crypto';
import {
  closeSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';

/** @param {unknown} error */
export const codeOf = (error) =>
  error instanceof Error && 'code' in error ? String(error.code) : 'unknown';

/** @param {string} path */
export const makePrivateDir = (path) => mkdirSync(path, { recursive: true, mode: 0o700 });

/** The text, or undefined when there is no such file. @param {string} path */
export const readIfThere = (path) => {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
};

/** @param {string} path */
export const removeIfThere = (path) => {
  try {
    unlinkSync(path);
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error;
  }
};

/** @param {string} path */
const syncDir = (path) => {
  const fd = openSync(path, 'r');
  fsyncSync(fd);
  closeSync(fd);
};

/**
 * All of it: a disk that becomes full takes a part of a text without an error.
 * @param {number} fd
 * @param {string} text
 */
const writeAll = (fd, text) => {
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at);
};

/**
 * Throws with the `path` that was meant, and leaves nothing behind.
 * @param {string} path
 * @param {string} text
 */
const writeTemp = (path, text) => {
  const temp = `${path}.${process.pid}.${randomBytes(6).toString('hex')}`;
  try {
    const fd = openSync(temp, 'wx', 0o600);
    try {
      writeAll(fd, text);
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    removeIfThere(temp);
    throw error instanceof Error ? Object.assign(error, { path }) : error;
  }
  return temp;
};

/**
 * Creates the file unless it exists. Of several that try, one wins; true for the winner only.
 * @param {string} path
 * @param {string} text
 */
export const createOnce = (path, text) => {
  const temp = writeTemp(path, text);
  try {
    linkSync(temp, path);
    syncDir(dirname(path));
    return true;
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false;
    throw error;
  } finally {
    unlinkSync(temp);
  }
};

/**
 * @param {string} path
 * @param {string} text
 */
export const replaceFile = (path, text) => {
  const temp = writeTemp(path, text);
  try {
    renameSync(temp, path);
  } catch (error) {
    removeIfThere(temp);
    throw error;
  }
  syncDir(dirname(path));
};
