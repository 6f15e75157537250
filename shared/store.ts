/**
 * A program's connection to Redis, checked before anything is promised: a store that may forget what
 * was acknowledged is refused unless the operator said so.
 */
import type { Log } from './log.js';
import {
  connectRedis,
  findDurabilityProblem,
  patiently,
  type RedisClient,
  whenReady,
} from './redis.js';

const patienceMs = 10_000;

const notAnswering =
  'Redis does not answer at REDIS_URL: is it running, are user and password right?';

/** Throws an Error that says what to do. */
export const openStore = async (options: {
  url: string;
  name: string;
  acceptDataLoss: boolean;
  log: Log;
}): Promise<RedisClient> => {
  const { url, name, log } = options;
  const redis = connectRedis({ url, name, log });
  let problem: string | undefined;
  try {
    await whenReady(redis, patienceMs);
    problem = await patiently(() => findDurabilityProblem(redis), patienceMs);
  } catch (cause) {
    redis.disconnect();
    throw new Error(notAnswering, { cause });
  }
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
