/**
 * The node's connections to Redis: one for credentials and registry, checked for durability before
 * anything is promised, and one for each lock server.
 */
import type { Log } from '../shared/log.js';
import { connectRedis, durabilityProblem, type RedisClient, whenReady } from '../shared/redis.js';

const patienceMs = 10_000;

/** Throws an Error that says what to do. */
export const openStore = async (options: {
  url: string;
  acceptDataLoss: boolean;
  log: Log;
}): Promise<RedisClient> => {
  const { url, log } = options;
  const redis = connectRedis({ url, name: 'worker', log });
  try {
    await whenReady(redis, patienceMs);
  } catch {
    redis.disconnect();
    throw new Error(
      'Redis does not answer at REDIS_URL: is it running, are user and password right?',
    );
  }
  const problem = await durabilityProblem(redis);
  if (problem === undefined) return redis;
  if (options.acceptDataLoss) {
    log.warn({ problem }, 'Redis may lose acknowledged changes, accepted by ACCEPT_DATA_LOSS');
    return redis;
  }
  redis.disconnect();
  throw new Error(
    `Redis may lose acknowledged changes: ${problem}. Set appendonly yes and maxmemory-policy noeviction there, or accept it with ACCEPT_DATA_LOSS=1.`,
  );
};

/** Lock servers may be away at any time, also at the start. */
export const openLockClients = (urls: readonly string[], log: Log): RedisClient[] =>
  urls.map((url, index) =>
    connectRedis({ url, name: `lock-${index + 1}`, log, commandTimeoutMs: 100 }),
  );
