/** Connections to the lock servers, which may be away at any time, also at the start. */
import type { Log } from '../shared/log.js';
import { connectRedis, type RedisClient } from '../shared/redis.js';

export const openLockClients = (urls: readonly string[], log: Log): RedisClient[] =>
  urls.map((url, index) =>
    connectRedis({ url, name: `lock-${index + 1}`, log, commandTimeoutMs: 100 }),
  );
