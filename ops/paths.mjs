/**
 * Where everything is. `DATA_DIR` holds what must survive; the runtime directory holds sockets, whose
 * paths the kernel limits to 107 bytes (Node 20 cuts longer ones silently). Its place is chosen once
 * and written down, because XDG_RUNTIME_DIR differs between a login shell, cron and a pm2 daemon, and
 * all of them must find the same Redis. One that is removed at the user's logout is none for us.
 */
import { createHash } from 'node:crypto';
import { existsSync, lstatSync, mkdirSync, realpathSync, statSync } from 'node:fs';
import { userInfo } from 'node:os';
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

/**
 * logind keeps one directory per user in `sessions` while one is logged in, and longer for those
 * who have a file in `lingering`.
 */
const logind = { sessions: '/run/user', lingering: '/var/lib/systemd/linger' };

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

const lingers = (/** @type {string} */ lingering) => {
  try {
    return existsSync(join(lingering, userInfo().username));
  } catch {
    return false; // a user without a name, as in containers
  }
};

/** XDG_RUNTIME_DIR where it outlives a logout. @param {Env} env @param {typeof logind} places */
const lastingDir = ({ XDG_RUNTIME_DIR: given }, { sessions, lingering }) => {
  if (!given || !existsSync(given)) return undefined;
  const ends = realpathSync(given).startsWith(`${resolve(sessions)}/`);
  return ends && !lingers(lingering) ? undefined : given;
};

/**
 * @param {string} dataDir
 * @param {Env} env
 * @param {typeof logind} places
 */
const chooseRuntimeDir = (dataDir, env, places) => {
  const record = join(dataDir, 'runtime-dir');
  const known = readIfThere(record)?.trim();
  if (known !== undefined && isPrivateDir(known)) return known;

  const hash = createHash('sha256').update(realpathSync(dataDir)).digest('hex').slice(0, 12);
  const candidates = [`/tmp/floodgate-${uid}-${hash}`];
  const lasting = lastingDir(env, places);
  if (lasting !== undefined) candidates.unshift(join(lasting, `floodgate-${hash}`));
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

/** Files of ours beside those of its user would lock that one out. @param {string} dataDir */
const checkOwner = (dataDir) => {
  const owner = statSync(dataDir, { throwIfNoEntry: false })?.uid ?? uid;
  if (owner !== uid)
    throw new Refusal(
      `DATA_DIR ${dataDir} belongs to user ${owner}: start as that user, or set another DATA_DIR.`,
    );
};

/**
 * Creates the directories that are missing; nothing in the data directory of another user.
 * Synchronous, since pm2 loads its configuration so.
 * @param {Env} env
 */
export const preparePaths = (env, places = logind) => {
  const { dataDir, ...inside } = dataPaths(env);
  try {
    checkOwner(dataDir);
    for (const path of [dataDir, ...Object.values(inside)]) makePrivateDir(path);
  } catch (error) {
    if (error instanceof Refusal) throw error;
    throw new Refusal(
      `The data directory ${dataDir} cannot be made (${codeOf(error)}). Set DATA_DIR to a ` +
        'directory you may write to.',
    );
  }
  const runtime = chooseRuntimeDir(dataDir, env, places);
  return {
    dataDir,
    ...inside,
    runtime,
    lock: join(dataDir, 'launcher.lock'),
    redisSocket: join(runtime, 'redis.sock'),
  };
};
