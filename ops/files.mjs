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
 * All of it, how many bytes that was: a disk that becomes full takes a part of a text without an error.
 * Without a position it goes to where the last write has ended.
 * @param {number} fd
 * @param {string} text
 * @param {number} [position]
 */
export const writeAll = (fd, text, position) => {
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; ) {
    const there = position === undefined ? null : position + at;
    at += writeSync(fd, bytes, at, bytes.length - at, there);
  }
  return bytes.length;
};

/**
 * What `write` does; what it throws has the `path` that was meant.
 * @template T
 * @param {string} path
 * @param {() => T} write
 */
export const naming = (path, write) => {
  try {
    return write();
  } catch (error) {
    throw error instanceof Error ? Object.assign(error, { path }) : error;
  }
};

/**
 * Throws with the `path` that was meant, and leaves nothing behind.
 * @param {string} path
 * @param {string} text
 */
const writeTemp = (path, text) => {
  const temp = `${path}.${process.pid}.${randomBytes(6).toString('hex')}`;
  const write = () => {
    const fd = openSync(temp, 'wx', 0o600);
    try {
      writeAll(fd, text);
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
  };
  try {
    naming(path, write);
  } catch (error) {
    removeIfThere(temp);
    throw error;
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
