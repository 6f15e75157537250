/**
 * Where everything is. `DATA_DIR` holds what must survive; the runtime directory holds sockets, whose
 * paths the kernel limits to 107 bytes (Node 20 cuts longer ones silently). Its place is chosen once
 * and written down, because XDG_RUNTIME_DIR differs between a login shell, cron and a pm2 daemon, and
 * all of them must find the same Redis.
 */
import { createHash } from 'node:crypto';
import { lstatSync, mkdirSync, realpathSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { codeOf, makePrivateDir, readIfThere, replaceFile } from './files.mjs';
import { Refusal } from './refusal.mjs';

/** @typedef {Record<string, string | undefined>} Env */
/** @typedef {ReturnType<typeof preparePaths>} Paths */

export const projectRoot = dirname(dirname(fileURLToPath(import.meta.url)));

/** Room left for the longest socket name in the directory. */
const maxRuntimeDirBytes = 107 - 56;

const uid = process.getuid?.() ?? 0;

/** @param {string} path */
const isPrivateDir = (path) => {
  try {
    const stat = lstatSync(path);
    return stat.isDirectory() && stat.uid === uid && (stat.mode & 0o077) === 0;
  } catch {
    return false;
  }
};

/** True when the directory is there and ours alone. @param {string} path */
const makeRuntimeDir = (path) => {
  try {
    mkdirSync(path, { mode: 0o700 });
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') return false;
  }
  return isPrivateDir(path);
};

/**
 * @param {string} dataDir
 * @param {Env} env
 */
const chooseRuntimeDir = (dataDir, env) => {
  const record = join(dataDir, 'runtime-dir');
  const known = readIfThere(record)?.trim();
  if (known !== undefined && isPrivateDir(known)) return known;

  const hash = createHash('sha256').update(realpathSync(dataDir)).digest('hex').slice(0, 12);
  const candidates = [`/tmp/floodgate-${uid}-${hash}`];
  if (env.XDG_RUNTIME_DIR) candidates.unshift(join(env.XDG_RUNTIME_DIR, `floodgate-${hash}`));
  const chosen = candidates.find(
    (path) => Buffer.byteLength(path) <= maxRuntimeDirBytes && makeRuntimeDir(path),
  );
  if (chosen === undefined)
    throw new Refusal(
      `No private directory for sockets: ${candidates.join(' and ')} cannot be made or belong to ` +
        'another user. Remove them or set XDG_RUNTIME_DIR to a directory of your own.',
    );
  replaceFile(record, `${chosen}\n`);
  return chosen;
};

/** What is in the data directory; nothing is made. @param {Env} env */
export const dataPaths = (env) => {
  const dataDir = resolve(env.DATA_DIR || join(projectRoot, '.data'));
  const secrets = join(dataDir, 'secrets');
  return { dataDir, secrets, redis: join(dataDir, 'redis'), logs: join(dataDir, 'logs') };
};

/**
 * Creates the directories that are missing. Synchronous, since pm2 loads its configuration so.
 * @param {Env} env
 */
export const preparePaths = (env) => {
  const { dataDir, ...inside } = dataPaths(env);
  try {
    for (const path of [dataDir, ...Object.values(inside)]) makePrivateDir(path);
  } catch (error) {
    throw new Refusal(
      `The data directory ${dataDir} cannot be made (${codeOf(error)}). Set DATA_DIR to a ` +
        'directory you may write to.',
    );
  }
  const runtime = chooseRuntimeDir(dataDir, env);
  return {
    dataDir,
    ...inside,
    runtime,
    lock: join(dataDir, 'launcher.lock'),
    redisSocket: join(runtime, 'redis.sock'),
  };
};
