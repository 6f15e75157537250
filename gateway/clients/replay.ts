/**
 * Assertions that were used, over all edges: one key each, `clients:assertion:<hash>`, for as long as
 * the assertion could be valid. Only what was found right is noted, so nobody fills the store or burns
 * the assertion of another.
 */
import { createHash } from 'node:crypto';
import type { RedisClient } from '../../shared/redis.js';
import { storeCall } from '../../shared/redis-calls.js';

/** True for the first use, of all edges. Throws store_unavailable: then it may be used up. */
export const createReplay =
  ({ redis }: { redis: RedisClient }) =>
  async (clientId: string, jti: string, lifeMs: number): Promise<boolean> => {
    const hash = createHash('sha256').update(`${clientId}\n${jti}`).digest('base64url');
    const key = `clients:assertion:${hash}`;
    return (await storeCall(redis.set(key, '1', 'PX', Math.ceil(lifeMs), 'NX'))) === 'OK';
  };
