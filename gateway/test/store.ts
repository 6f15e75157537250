/** Helpers for tests of parts that own keys: clients of a real Redis, and the code of what is thrown. */
import { codeOf } from '../../shared/errors.js';
import { connectRedis, type RedisClient } from '../../shared/redis.js';
import { whenReady } from '../../shared/redis-calls.js';
import type { TestRedis } from '../../shared/test/redis-server.js';

type Test = { teardown(fn: () => unknown): void };

export const quiet = { info: () => {}, warn: () => {} };

/** A connected client of its own: one per edge that the test stands for. */
export const openClient = async (t: Test, server: TestRedis): Promise<RedisClient> => {
  const client = connectRedis({
    url: server.url,
    name: 'test',
    log: quiet,
    commandTimeoutMs: 2000,
  });
  t.teardown(() => client.disconnect());
  await whenReady(client, 2000);
  return client;
};

/** 'ok', or the error code, of a call that may throw at once or later. */
export const outcomeOf = async (call: () => unknown): Promise<string> => {
  try {
    await call();
    return 'ok';
  } catch (error) {
    return codeOf(error);
  }
};

/** Waits until `check` holds; false after `timeoutMs`. */
export const until = async (check: () => unknown, timeoutMs = 5000): Promise<boolean> => {
  const end = performance.now() + timeoutMs;
  while (performance.now() < end) {
    if (await check()) return true;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  return false;
};
