/**
 * A worker node's settings (design § 8): environment in, one frozen typed object out, all problems
 * reported together. Only main and server see it whole.
 */
import { hostname } from 'node:os';
import { createEnv, type Env, mask } from '../shared/env.js';
import { readIdentityFiles } from '../shared/identity.js';
import { countCpus, memoryBytes } from '../shared/machine.js';
import { splitRedisUrls } from '../shared/redis-url.js';
import { checkDefaultScopes, createRedisUrls, readShared } from '../shared/settings.js';
import { readCredentials } from './credentials/settings.js';
import { readDeclaration } from './passwords/formats/translate.js';
import { isStrongKey, parseKeys } from './passwords/keys.js';
import { targetProblem, weakestTarget } from './passwords/policy.js';
import type { Keys } from './passwords/recipes/recipe.js';
import type { TcpSettings } from './tcp.js';

export type Config = ReturnType<typeof loadConfig>;

/** Said in the registry entry. */
export const version = '0.1.0';

const secretNames = ['redisUrl', 'lockRedisUrls', 'nodeSecrets', 'passwordKeys'];
/** One hash at the reading limit must always fit. */
const minHashMemory = 256 * 1024 * 1024;

const defaultNodeId = (source: NodeJS.ProcessEnv, pid: number): string =>
  `${hostname()}-${source.NODE_APP_INSTANCE || pid}`;

const readTarget = (env: Env) => {
  const range = (fallback: number) => ({ default: fallback, min: 1, max: 4_194_304 });
  const target = {
    memoryKiB: env.int('ARGON2_MEMORY_KIB', range(weakestTarget.memoryKiB)),
    passes: env.int('ARGON2_PASSES', range(weakestTarget.passes)),
    lanes: env.int('ARGON2_LANES', range(weakestTarget.lanes)),
  };
  const problem = targetProblem(target);
  if (problem !== undefined)
    env.complain(`ARGON2_MEMORY_KIB, ARGON2_PASSES, ARGON2_LANES: ${problem}`);
  return target;
};

/** Half the memory for hashes at most, in threads of `bytesEach`. */
const readThreads = (env: Env, bytesEach: number): number => {
  const fitting = Math.max(1, Math.floor(memoryBytes() / 2 / bytesEach));
  const each = `each hash takes ${Math.ceil(bytesEach / 1024 / 1024)} MiB (ARGON2_MEMORY_KIB)`;
  return env.int('HASH_THREADS', {
    default: Math.min(countCpus(), fitting),
    min: 1,
    max: Math.min(256, fitting),
    ...(fitting < 256 ? { because: `${each}, all together at most half of the memory` } : {}),
  });
};

/** The key ring, and which of its keys new hashes get. */
const readKeys = (env: Env) => {
  const keys = parseKeys(env.secret('PASSWORD_KEYS') ?? '');
  const pepper = env.optional('PASSWORD_PEPPER');
  if (typeof keys === 'string') {
    env.complain(`PASSWORD_KEYS: ${keys}.`);
    return { passwordKeys: {}, passwordPepper: undefined };
  }
  const bytes = pepper !== undefined && Object.hasOwn(keys, pepper) ? keys[pepper] : undefined;
  if (pepper !== undefined && !isStrongKey(bytes))
    env.complain('PASSWORD_PEPPER must be the id of a key in PASSWORD_KEYS of 16 bytes or more.');
  return { passwordKeys: keys, passwordPepper: pepper };
};

const readNodeId = (env: Env, fallback: string): string => {
  const nodeId = env.string('NODE_ID', { default: fallback });
  if (!/^[\x21-\x7e]{1,128}$/.test(nodeId))
    env.complain('NODE_ID must have 1 to 128 visible ASCII characters.');
  return nodeId;
};

const tlsHint =
  'make certificates with "floodgate certs node NAME" and set NODE_TLS_CERT_FILE, ' +
  'NODE_TLS_KEY_FILE and NODE_TLS_CA_FILE. Gateways on this machine reach the node without it.';

/** Undefined: the node serves its unix socket only. */
const readTcp = (env: Env): TcpSettings | undefined => {
  const listen = env.address('NODE_LISTEN', { minPort: 0 });
  const advertise = env.address('NODE_ADVERTISE', { minPort: 1 });
  const tls = readIdentityFiles(env);
  if (listen === undefined) {
    if (advertise !== undefined) env.complain('NODE_ADVERTISE needs NODE_LISTEN.');
    return undefined;
  }
  if (advertise !== undefined && listen.port === 0)
    env.complain(
      'NODE_ADVERTISE names a port, and NODE_LISTEN takes any that is free (0): give it that port, or leave NODE_ADVERTISE out.',
    );
  if (tls === undefined) env.complain(`NODE_LISTEN needs TLS: ${tlsHint}`);
  return tls && { listen, advertise, tls };
};

/**
 * The servers of the migration lock; without any the store's own. Redlock needs a majority, which an
 * even number only makes harder to get, and servers of which one is asked twice are fewer than that.
 */
const readLockUrls = (
  env: Env,
  urls: ReturnType<typeof createRedisUrls>,
  fallback: string,
): string[] => {
  const given = splitRedisUrls(env.secret('LOCK_REDIS_URLS') ?? '').map((url) =>
    urls.read('LOCK_REDIS_URLS', url),
  );
  if (![0, 1, 3, 5].includes(given.length))
    env.complain(
      `LOCK_REDIS_URLS must name 1, 3 or 5 servers, not ${given.length}: a lock needs a majority.`,
    );
  if (new Set(given).size < given.length)
    env.complain('LOCK_REDIS_URLS names a server twice: they must be independent of each other.');
  return given.length === 0 ? [fallback] : given;
};

/** A node gives DEFAULT_SCOPES only to users of an operator's table, whose hashes may need the key ring. */
const readStore = (env: Env, keys: Keys) => {
  const credentials = readCredentials(env);
  const { table } = credentials;
  if (table === undefined) return credentials;
  checkDefaultScopes(env, table.defaultScopes);
  try {
    if (table.format !== undefined) readDeclaration(table.format, keys);
  } catch (error) {
    env.complain(error instanceof Error ? error.message : 'CREDENTIALS_FORMAT is not understood.');
  }
  return credentials;
};

/** Throws ConfigError with every problem. */
export const loadConfig = (source: NodeJS.ProcessEnv, pid: number) => {
  const env = createEnv(source);
  const target = readTarget(env);
  const threads = readThreads(env, target.memoryKiB * 1024);
  const urls = createRedisUrls(env);
  const shared = readShared(env, source, urls);
  const keys = readKeys(env);
  const config = {
    nodeId: readNodeId(env, defaultNodeId(source, pid)),
    threads,
    target,
    ...keys,
    // Enough for every thread, so that none stands idle for want of memory while all hashes are ours.
    hashMemoryBytes: Math.max(
      minHashMemory,
      threads * target.memoryKiB * 1024,
      Math.floor(memoryBytes() / 4),
    ),
    ...shared,
    credentials: readStore(env, keys.passwordKeys),
    lockRedisUrls: readLockUrls(env, urls, shared.redisUrl),
    tcp: readTcp(env),
    blocklistFile: env.optional('PASSWORD_BLOCKLIST_FILE'),
  };
  env.check();
  return Object.freeze(config);
};

/** For --check-config: everything but the secrets. */
export const maskConfig = (config: Config): object => ({
  ...mask(config, secretNames),
  credentials: mask(config.credentials, ['url']),
});
