/**
 * How this code calls Redis: scripts, strong or not, and plain commands with their failures mapped to
 * AppError store_unavailable; waiting for a client, and asking again at a start.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { AppError, codeOf } from './errors.js';
import type { RedisClient, Script } from './redis.js';

/** Resolves once the client can take commands; rejects after `timeoutMs`. */
export const whenReady = (client: RedisClient, timeoutMs: number): Promise<void> =>
  new Promise((resolve, reject) => {
    if (client.status === 'ready') return resolve();
    const onReady = () => {
      clearTimeout(timer);
      resolve();
    };
    const timer = setTimeout(() => {
      client.off('ready', onReady);
      reject(new AppError('store_unavailable', { detail: 'not connected in time' }));
    }, timeoutMs);
    client.once('ready', onReady);
  });

/** In a script: `now` is the server's time in milliseconds, the one clock that all programs share. */
export const nowLua = `local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)`;

/** Throws it as AppError store_unavailable. */
export const asStoreError = (cause: unknown): never => {
  throw cause instanceof AppError ? cause : new AppError('store_unavailable', { cause });
};

/** A plain command with its failure mapped. */
export const storeCall = <T>(call: Promise<T>): Promise<T> => call.catch(asStoreError);

/**
 * For what a program cannot start without: calls again while the store does not answer, because a
 * busy server is not a missing one. Any other error, and the last one in time, is thrown.
 */
export const patiently = async <T>(call: () => Promise<T>, patienceMs = 10_000): Promise<T> => {
  const deadlineAt = performance.now() + patienceMs;
  for (;;) {
    try {
      return await call();
    } catch (error) {
      if (codeOf(error) !== 'store_unavailable' || performance.now() > deadlineAt) throw error;
      await sleep(100);
    }
  }
};

/**
 * A script that works on a Redis whose memory is full (`maxmemory`), too: for what ends sessions and what keeps
 * those alive that there are, which adds next to nothing. Redis and Valkey from 7.0 (redis.io, "Script flags").
 */
export const evenWhenFull = (lua: string): string => `#!lua flags=allow-oom\n${lua}`;

/** EVALSHA with a fall back to EVAL. All keys of a script share one hash tag. */
export const defineScript = (
  client: RedisClient,
  { name, lua }: { name: string; lua: string },
): Script => {
  client.defineCommand(name, { lua });
  const run: unknown = Reflect.get(client, name);
  if (typeof run !== 'function') throw new Error(`script ${name} is not defined`);
  return (keys, args) => run.call(client, keys.length, ...keys, ...args).catch(asStoreError);
};

/**
 * A script whose effect must survive a failover once it is acknowledged: resolves only when enough
 * replicas have it, where the store has replicas. After store_unavailable it may have been executed
 * all the same, so it must be repeatable; the repeat waits for the replicas again.
 */
export const defineStrongScript = (
  client: RedisClient,
  script: { name: string; lua: string },
): Script => {
  const { strong } = client;
  if (strong === undefined) return defineScript(client, script);
  return (keys, args) => strong.run(script.lua, keys, args).catch(asStoreError);
};

/** Resolves when what was written so far, where `key` is, would survive a failover. */
export const confirmWrites = async (client: RedisClient, key: string): Promise<void> => {
  await client.strong?.run('return 1', [key], []).catch(asStoreError);
};
