/**
 * The session parts of a process, on the main store alone or with the backup store behind it
 * (BACKUP_REDIS_URL). The backup may be away at any time, also at the start: only critical sessions feel
 * it. But a store that forgets, or is too old, is no backup, and is refused like such a main store.
 */
import type { Lifecycle } from '../../shared/lifecycle.js';
import type { Log } from '../../shared/log.js';
import { connectRedis, quitRedis, type RedisClient } from '../../shared/redis.js';
import { whenReady } from '../../shared/redis-calls.js';
import { parseRedisUrl } from '../../shared/redis-url.js';
import { findDurabilityProblem, findMisfit } from '../../shared/store.js';
import type { Config } from '../config.js';
import type { Revocation } from '../tokens/revocations.js';
import { createRevoked } from '../tokens/revoked.js';
import { createBackup, restoreMeta } from './backup.js';
import { createCookieStore } from './cookie-store.js';
import { createCriticalSessions, createCriticalUserSessions } from './critical.js';
import {
  createCriticalCookieStore,
  createCriticalLook,
  createCriticalRevoked,
} from './critical-reads.js';
import { createSessionLook } from './session-look.js';
import { createSessions, type Sessions } from './sessions.js';
import { createUserSessions, type UserSessions } from './user-sessions.js';

type Given = {
  config: Pick<Config, 'backupRedisUrl' | 'sessionMaxMs' | 'acceptDataLoss'>;
  redis: RedisClient;
  lifecycle: Pick<Lifecycle, 'onStop'>;
  log: Log;
};
export type OpenBackup = Awaited<ReturnType<typeof openBackup>>;

const patienceMs = 2000;

const check = async (client: RedisClient, url: string, { config, log }: Given): Promise<void> => {
  try {
    await whenReady(client, patienceMs);
  } catch {
    return log.warn({}, 'the backup store does not answer: no critical session can begin');
  }
  const misfit = await findMisfit(client, parseRedisUrl(url).kind).catch(() => undefined);
  if (misfit !== undefined) throw new Error(`BACKUP_REDIS_URL leads to ${misfit}`);
  const problem = await findDurabilityProblem(client).catch(() => undefined);
  if (problem === undefined || config.acceptDataLoss) return;
  throw new Error(
    `BACKUP_REDIS_URL may lose critical sessions: ${problem}. Set appendonly yes and maxmemory-policy noeviction there, or accept it with ACCEPT_DATA_LOSS=1.`,
  );
};

/** Before the keyring is opened: an empty main store gets it back from the backup. */
export const openBackup = async (given: Given) => {
  const { config, redis, lifecycle, log } = given;
  const { backupRedisUrl: url } = config;
  if (url === undefined) return undefined;
  const client = connectRedis({ url, name: 'backup', log });
  lifecycle.onStop('backup store', () => quitRedis(client), 1000);
  await check(client, url, given);
  await restoreMeta(redis, client);
  return {
    client,
    store: createBackup({ main: redis, backup: client, maxMs: config.sessionMaxMs }),
  };
};

export const openUserSessions = (options: {
  config: Pick<Config, 'sessionIdleMs'>;
  redis: RedisClient;
  backup: OpenBackup;
  publish: (entry: Revocation) => Promise<void>;
}): UserSessions => {
  const { config, redis, backup, publish } = options;
  const idleMs = config.sessionIdleMs;
  const userSessions = createUserSessions({ redis, publish, idleMs, backup: backup?.store });
  if (backup === undefined) return userSessions;
  const { client, store } = backup;
  // What ends there needs the mark too; its own generation it raises itself.
  const marks = { end: store.end, raise: store.lift };
  const second = createUserSessions({ redis: client, publish, idleMs, backup: marks });
  return createCriticalUserSessions({ userSessions, second, backup: store });
};

export const openSessions = (options: {
  config: Pick<Config, 'sessionIdleMs' | 'sessionMaxMs'>;
  redis: RedisClient;
  backup: OpenBackup;
  keys: {
    mac(purpose: 'refresh', text: string): { keyId: string; mac: string };
    confirmMac(purpose: 'refresh', keyId: string, text: string, mac: string): Promise<boolean>;
  };
  log: Log;
}): Sessions => {
  const { config, redis, backup, keys, log } = options;
  const on = (client: RedisClient) =>
    createSessions({
      redis: client,
      refreshMac: (text) => keys.mac('refresh', text),
      confirmRefreshMac: (...given) => keys.confirmMac('refresh', ...given),
      idleMs: config.sessionIdleMs,
      maxMs: config.sessionMaxMs,
      hasBackup: backup !== undefined,
    });
  const sessions = on(redis);
  if (backup === undefined) return sessions;
  const { client, store } = backup;
  return createCriticalSessions({ redis, sessions, second: on(client), backup: store, log });
};

/** What only reads sessions, and what was written down about single tokens. */
export const openReads = (options: {
  config: Pick<Config, 'sessionIdleMs'>;
  redis: RedisClient;
  backup: OpenBackup;
  log: Log;
}) => {
  const { config, redis, backup, log } = options;
  const on = (client: RedisClient) => {
    const of = { redis: client, idleMs: config.sessionIdleMs };
    return {
      store: createCookieStore(of),
      look: createSessionLook(of),
      revoked: createRevoked({ redis: client }),
    };
  };
  const main = on(redis);
  if (backup === undefined) return main;
  const second = on(backup.client);
  const both = { backup: backup.store, log };
  return {
    store: createCriticalCookieStore({ store: main.store, second: second.store, ...both }),
    look: createCriticalLook({ look: main.look, second: second.look, ...both }),
    revoked: createCriticalRevoked({ revoked: main.revoked, second: second.revoked }),
  };
};
