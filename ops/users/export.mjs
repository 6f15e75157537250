/**
 * `floodgate users export`: all users as NDJSON that `users import` takes. Hashes are in it only when
 * that is said, and then only into a file that nobody else may read, or into a pipe.
 */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { closeSync, fstatSync, fsyncSync, openSync } from 'node:fs';
import { codeOf, naming, writeAll } from '../files.mjs';
import { Refusal } from '../refusal.mjs';
import { createProgress, formatCount } from './progress.mjs';
import { createSeen } from './seen.mjs';

/** @typedef {Record<string, any>} Row */

/** @param {Row} row @param {boolean} withHashes */
const format = ({ user_id: id, name: login, hash, norm, scopes, status, ...rest }, withHashes) => {
  const common = { id, login, ...(scopes === '' ? {} : { scopes }), status };
  const { format: form, class: strength, outdated } = rest;
  const more = withHashes ? { hash, norm } : { format: form, class: strength, outdated };
  return `${JSON.stringify({ ...common, ...more })}\n`;
};

/** @param {string} path '-' is stdout @param {boolean} withHashes */
const openTarget = (path, withHashes) => {
  if (path === '-') {
    if (withHashes && process.stdout.isTTY)
      throw new Refusal('Hashes are not printed on a terminal. Name a file, or pipe them on.');
    return {
      write: async (/** @type {string} */ text) => {
        if (!process.stdout.write(text)) await once(process.stdout, 'drain');
      },
      sync: () => {},
      close: () => {},
    };
  }
  let fd = 0;
  try {
    fd = openSync(path, 'wx', 0o600);
  } catch (error) {
    const why = codeOf(error);
    throw new Refusal(
      why === 'EEXIST'
        ? `${path} exists and is left as it is.`
        : `${path} cannot be written (${why}).`,
    );
  }
  if ((fstatSync(fd).mode & 0o077) !== 0) throw new Refusal(`${path} can be read by others here.`);
  return {
    write: async (/** @type {string} */ text) => void naming(path, () => writeAll(fd, text)),
    sync: () => naming(path, () => fsyncSync(fd)),
    close: () => closeSync(fd),
  };
};

/**
 * What to print; '' when the users went to stdout. Throws Refusal.
 * @param {import('../admin-call.mjs').AdminCall} call
 * @param {string} path
 * @param {boolean} withHashes
 */
export const runExport = async (call, path, withHashes) => {
  const target = openTarget(path, withHashes);
  const progress = createProgress('exporting');
  const seen = createSeen();
  let rows = 0;
  let cursor = '';
  try {
    const header = { type: 'header', version: 1, source: 'floodgate' };
    await target.write(`${JSON.stringify(header)}\n`);
    do {
      const page = await call('POST', '/users/export', { cursor, hashes: withHashes });
      // A page may repeat what an earlier one had.
      const fresh = page.rows.filter((/** @type {Row} */ { user_id }) => {
        const print = createHash('sha256').update(user_id).digest();
        return seen(print, 0, 1) === undefined;
      });
      await target.write(fresh.map((/** @type {Row} */ row) => format(row, withHashes)).join(''));
      rows += fresh.length;
      cursor = page.cursor;
      progress.show(rows, Number.NaN);
    } while (cursor !== '');
    target.sync();
  } finally {
    progress.end();
    target.close();
  }
  const hashes = withHashes ? 'with their hashes' : 'without hashes';
  const text = `${formatCount(rows)} users are exported, ${hashes}.`;
  if (path !== '-') return text;
  process.stderr.write(`${text}\n`);
  return '';
};
