/**
 * Access tokens that were revoked one by one (RFC 7009), by their id: one key each in Redis,
 * `revocations:jti:<jti>`, until the token would have ended anyway. It is the record that introspection
 * asks; the revocation log carries the same to every edge for their own checks.
 */
import type { RedisClient } from '../../shared/redis.js';
import { confirmWrites, storeCall } from '../../shared/redis-calls.js';

/** Clocks of gateways may be apart. */
const marginMs = 60_000;
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
}): Revoked => ({
  add: async ({ jti, exp }) => {
    const lifeMs = Math.max(0, exp * 1000 - now()) + marginMs;
    await storeCall(redis.set(keyOf(jti), '1', 'PX', lifeMs));
    await confirmWrites(redis, keyOf(jti));
  },
  has: async ({ jti }) => (await storeCall(redis.exists(keyOf(jti)))) === 1,
});
