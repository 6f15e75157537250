/**
 * Access tokens that were revoked one by one (RFC 7009), by their id: one key each in Redis,
 * `revocations:jti:<jti>`, until the token would have ended anyway. It is the record that introspection
 * asks; the revocation log carries the same to every edge for their own checks.
 */
import type { RedisClient } from '../../shared/redis.js';
import { defineStrongScript, evenWhenFull, storeCall } from '../../shared/redis-calls.js';
import { skewMs } from './life.js';

/** KEYS: the token's. ARGV: ms to remember. Returns 1. */
const addLua = `
redis.call('SET', KEYS[1], '1', 'PX', ARGV[1])
return 1`;

const keyOf = (jti: string): string => `revocations:jti:${jti}`;

export type Revoked = {
  /** Durable when it resolves, on the replicas too; repeatable. Publish it afterwards. Throws store_unavailable. */
  add(token: { jti: string; sid: string; exp: number }): Promise<void>;
  /** Throws store_unavailable. */
  has(token: { jti: string; sid: string }): Promise<boolean>;
};

export const createRevoked = ({
  redis,
  now = Date.now,
}: {
  redis: RedisClient;
  now?: () => number;
}): Revoked => {
  const addScript = defineStrongScript(redis, { name: 'revokeToken', lua: evenWhenFull(addLua) });
  return {
    add: async ({ jti, exp }) => {
      const lifeMs = Math.max(0, exp * 1000 - now()) + skewMs;
      await addScript([keyOf(jti)], [lifeMs]);
    },
    has: async ({ jti }) => (await storeCall(redis.exists(keyOf(jti)))) === 1,
  };
};
