/**
 * The gateway's connection to Redis, checked before anything is promised: a store that may forget
 * what was acknowledged is refused unless the operator said so.
 */
import type { Log } from '../shared/log.js';
import { connectRedis, durabilityProblem, type RedisClient, whenReady } from '../shared/redis.js';

export const openStore = async (options: {
  url: string;
  name: string;
  acceptDataLoss: boolean;
  log: Log;
}): Promise<RedisClient> => {
  const redis = connectRedis(options);
  try {
    await whenReady(redis, 5000);
  } catch {
    redis.disconnect();
    throw new Error(
      'Redis does not answer at REDIS_URL: is it running, are user and password right?',
    );
  }
  const problem = await durabilityProblem(redis);
  if (problem === undefined || options.acceptDataLoss) return redis;
  redis.disconnect();
  throw new Error(
    `Redis may lose acknowledged changes: ${problem}. Set appendonly yes and maxmemory-policy noeviction there, or accept it with ACCEPT_DATA_LOSS=1.`,
  );
};
