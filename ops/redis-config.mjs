/**
 * The configuration of the embedded Redis: durable, reachable through one private socket only, and
 * with one user per program, each limited to the keys that are its own. The gateway never reads a
 * password hash, a node never reads a signing key.
 */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { replaceFile } from './files.mjs';
import { memoryBytes } from './machine.mjs';
import { readRedisPassword } from './secrets.mjs';

/** @typedef {import('./paths.mjs').Paths} Paths */

const shared = ['user:*', '{nodes}:*'];
const keys = {
  gateway: [
    ...shared,
    ...['meta:*', 'sess:*', 'idx:*', 'lim:*', 'keyring', 'revocations*', 'clients*', 'uid:*'],
    'reset:*',
  ],
  worker: [...shared, 'cred:*', 'campaign:*', 'migrate:*'],
};

// INFO and CONFIG GET let a program check at its start that the store is durable.
const programCommands = '+@all -@dangerous +info +config|get';
const opsCommands = '-@all +ping +info +shutdown +config|get +acl|load';

/** @param {Paths} paths */
const formatUsers = (paths) => {
  const hash = (/** @type {string} */ user) =>
    `#${createHash('sha256').update(readRedisPassword(paths, user)).digest('hex')}`;
  const program = (/** @type {'gateway' | 'worker'} */ user) => {
    const patterns = keys[user].map((pattern) => `~${pattern}`).join(' ');
    return `user ${user} on ${hash(user)} ${patterns} ${programCommands}`;
  };
  return [
    // Nobody can be this user. But Redis loads its append-only file as it, and checks its rights for
    // every transaction and script in there: with fewer rights it would drop them at the next start.
    'user default off ~* &* +@all',
    `user ops on ${hash('ops')} ${opsCommands}`,
    program('gateway'),
    program('worker'),
    '',
  ].join('\n');
};

/** Writes the files and returns the path of the main one. @param {Paths} paths */
export const writeRedisConfig = (paths) => {
  const users = join(paths.redis, 'users.acl');
  const main = join(paths.redis, 'redis.conf');
  const quote = JSON.stringify;
  replaceFile(users, formatUsers(paths));
  replaceFile(
    main,
    [
      '# Written by Floodgate at every start: changes are lost.',
      'port 0',
      `unixsocket ${quote(paths.redisSocket)}`,
      'unixsocketperm 700',
      `dir ${quote(paths.redis)}`,
      `aclfile ${quote(users)}`,
      'daemonize no',
      'appendonly yes',
      // redis-sync.mjs does it, and says why.
      'appendfsync no',
      'save ""',
      `maxmemory ${Math.floor(memoryBytes() / 2)}`,
      'maxmemory-policy noeviction',
      '',
    ].join('\n'),
  );
  return main;
};
