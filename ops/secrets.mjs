/**
 * Everything secret that an installation needs, made once at random and kept as files of mode 0600 in
 * `DATA_DIR/secrets`. Programs get the names of these files (`X_FILE`), never the values, and only
 * those they need; a secret that the user sets is left as it is. Synchronous: pm2 loads its
 * configuration so.
 */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { createOnce, readIfThere, replaceFile } from './files.mjs';
import { Refusal } from './refusal.mjs';

/** @typedef {import('./paths.mjs').Paths} Paths */
/** @typedef {import('./paths.mjs').Env} Env */
/** @typedef {'gateway' | 'worker'} Role */

const settings = {
  ADMIN_TOKEN: { file: 'admin-token', roles: ['gateway'] },
  METRICS_TOKEN: { file: 'metrics-token', roles: ['gateway'] },
  KEY_ENCRYPTION_KEY: { file: 'key-encryption-key', roles: ['gateway'] },
  NODE_SECRET: { file: 'node-secret', roles: ['gateway', 'worker'] },
};

/** Secrets that only the user can have, and whose they are. @type {Record<string, Role>} */
const given = {
  EXTERNAL_ISSUERS: 'gateway',
  BACKUP_REDIS_URL: 'gateway',
  LOCK_REDIS_URLS: 'worker',
  CREDENTIALS_URL: 'worker',
  PASSWORD_KEYS: 'worker',
};

const redisRoles = /** @type {const} */ (['gateway', 'worker']);
const redisUsers = [...redisRoles, 'ops'];
/** The end of an embedded Redis' URL, wherever its runtime directory was (paths.mjs). */
const ourSocket = /\/floodgate-(\d+-)?[0-9a-f]{12}\/redis\.sock$/;

/**
 * 32 random bytes, base64url, unless the file exists; of two that start together one writes, both
 * read the same.
 * @param {string} path
 */
const makeSecret = (path) => {
  createOnce(path, `${randomBytes(32).toString('base64url')}\n`);
  return readSecret(path);
};

/** @param {string} path */
const readSecret = (path) => {
  const text = readIfThere(path)?.trim();
  if (text === undefined)
    throw new Refusal(`There is no secret file ${path}. Is this where the data is (DATA_DIR)?`);
  if (text === '') throw new Refusal(`The secret file ${path} is empty. Restore it from a backup.`);
  return text;
};

/** @param {Paths} paths @param {string} user */
export const readRedisPassword = (paths, user) =>
  readSecret(join(paths.secrets, `redis-${user}-password`));

/** @param {Paths} paths @param {Role} role */
const redisUrlFile = (paths, role) => join(paths.secrets, `redis-${role}-url`);

/** Whether the URL is of a Redis of ours, as some start wrote it; any other is the operator's. @param {Paths} paths @param {Role} role */
const isOurUrl = (paths, role) => {
  const url = readIfThere(redisUrlFile(paths, role))?.trim() ?? '';
  return url === '' || (url.startsWith(`unix://${role}:`) && ourSocket.test(url));
};

/** Idempotent. Redis URLs of ours follow the socket, the rest never changes. @param {Paths} paths */
export const initSecrets = (paths) => {
  for (const { file } of Object.values(settings)) makeSecret(join(paths.secrets, file));
  for (const user of redisUsers) makeSecret(join(paths.secrets, `redis-${user}-password`));
  for (const role of redisRoles) {
    const url = `unix://${role}:${readRedisPassword(paths, role)}@localhost${paths.redisSocket}\n`;
    const path = redisUrlFile(paths, role);
    if (isOurUrl(paths, role) && readIfThere(path) !== url) replaceFile(path, url);
  }
};

/** @param {Env} env @param {string} name */
const isSet = (env, name) => Boolean(env[name] || env[`${name}_FILE`]);

/** Whether the user brings a Redis: by REDIS_URL, or in one of our URL files. @param {Paths} paths @param {Env} env */
export const hasOwnRedis = (paths, env) =>
  isSet(env, 'REDIS_URL') || !redisRoles.every((role) => isOurUrl(paths, role));

/**
 * What to add to the environment of a program: the files it needs, and an empty value (= not set) for
 * what it must not know.
 * @param {Paths} paths
 * @param {Role} role
 * @param {Env} env
 */
export const secretSettings = (paths, role, env) => {
  /** @type {Record<string, string>} */
  const added = {};
  const hide = (/** @type {string} */ name) =>
    Object.assign(added, { [name]: '', [`${name}_FILE`]: '' });
  for (const [name, { file, roles }] of Object.entries(settings)) {
    if (!roles.includes(role)) hide(name);
    else if (!isSet(env, name)) added[`${name}_FILE`] = join(paths.secrets, file);
  }
  for (const [name, owner] of Object.entries(given)) if (owner !== role) hide(name);
  if (!isSet(env, 'REDIS_URL')) added.REDIS_URL_FILE = redisUrlFile(paths, role);
  return added;
};

/** The admin token itself, for calls to the admin port. @param {{ secrets: string }} paths @param {Env} env */
export const readAdminToken = (paths, env) =>
  env.ADMIN_TOKEN ||
  readSecret(env.ADMIN_TOKEN_FILE || join(paths.secrets, settings.ADMIN_TOKEN.file));

/** Where the admin token is, for the banner. @param {Paths} paths @param {Env} env */
export const adminTokenPlace = (paths, env) => {
  if (env.ADMIN_TOKEN) return 'your ADMIN_TOKEN';
  return env.ADMIN_TOKEN_FILE || join(paths.secrets, settings.ADMIN_TOKEN.file);
};
