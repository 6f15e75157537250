/**
 * The one door to ioredis. Its defaults run a write twice when the answer is lost, queue without
 * limit while the server is away, and wait for ever; the options below turn all of that off, so a
 * command is sent at most once and its fate is known within `commandTimeoutMs`.
 * Every failure leaves here as AppError store_unavailable with the cause for the log.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis, type RedisOptions, ReplyError } from 'ioredis';
import { AppError, codeOf } from './errors.js';

export type RedisClient = Redis;
export type Script = (
  keys: readonly string[],
  args: readonly (string | number)[],
) => Promise<unknown>;

type Logs = { warn(fields: object, text: string): void; info(fields: object, text: string): void };

/** Options for redis://, rediss:// and unix://user:pass@localhost/path/to/socket. */
export const parseRedisUrl = (url: string): RedisOptions => {
  const parsed = new URL(url);
  const auth = {
    ...(parsed.username === '' ? {} : { username: decodeURIComponent(parsed.username) }),
    ...(parsed.password === '' ? {} : { password: decodeURIComponent(parsed.password) }),
  };
  if (parsed.protocol === 'unix:') return { ...auth, path: decodeURIComponent(parsed.pathname) };
  if (parsed.protocol !== 'redis:' && parsed.protocol !== 'rediss:')
    throw new Error('a Redis URL must start with redis://, rediss:// or unix://');
  return {
    ...auth,
    host: parsed.hostname.replace(/^\[|\]$/g, ''),
    port: parsed.port === '' ? 6379 : Number(parsed.port),
    db: Number(parsed.pathname.slice(1) || '0'),
    ...(parsed.protocol === 'rediss:' ? { tls: {} } : {}),
  };
};

/**
 * A connected client, or one that keeps trying: commands fail at once while it is away.
 * `blocking` is for XREAD BLOCK and WAIT: no command timeout, a connection of its own.
 */
export const connectRedis = (options: {
  url: string;
  name: string;
  log: Logs;
  commandTimeoutMs?: number;
  blocking?: boolean;
}): RedisClient => {
  const settings = {
    ...parseRedisUrl(options.url),
    protocol: 2 as const,
    connectionName: `floodgate-${options.name}`,
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    connectTimeout: 500,
    ...(options.blocking ? {} : { commandTimeout: options.commandTimeoutMs ?? 250 }),
    retryStrategy: (times: number) =>
      Math.min(50 * 2 ** Math.min(times, 4), 500) * (0.75 + Math.random() / 2),
    // 1 = reconnect without sending again what failed.
    reconnectOnError: (error: Error): 1 | false =>
      error.message.startsWith('READONLY') ? 1 : false,
  };
  const client = new Redis({ ...settings, replyMapping: 'legacy' });
  let isUp = false;
  client.on('ready', () => {
    isUp = true;
    options.log.info({ store: options.name }, 'redis connected');
  });
  client.on('close', () => {
    if (isUp) options.log.warn({ store: options.name }, 'redis connection lost');
    isUp = false;
  });
  // Failures reach the callers; without a listener ioredis prints them.
  client.on('error', () => {});
  return client;
};

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

const asStoreError = (cause: unknown): never => {
  throw new AppError('store_unavailable', { cause });
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

/** EVALSHA with a fall back to EVAL. All keys of a script share one hash tag. */
export const defineScript = (
  client: RedisClient,
  script: { name: string; keys: number; lua: string },
): Script => {
  client.defineCommand(script.name, { numberOfKeys: script.keys, lua: script.lua });
  const run: unknown = Reflect.get(client, script.name);
  if (typeof run !== 'function') throw new Error(`script ${script.name} is not defined`);
  return (keys, args) => run.call(client, ...keys, ...args).catch(asStoreError);
};

/**
 * What makes this store forget what was acknowledged; undefined = nothing does. A server that does
 * not let us ask is a problem too. AppError store_unavailable when it did not answer.
 */
export const findDurabilityProblem = async (client: RedisClient): Promise<string | undefined> => {
  try {
    const [, appendOnly] = (await client.config('GET', 'appendonly')) as string[];
    const [, policy] = (await client.config('GET', 'maxmemory-policy')) as string[];
    if (appendOnly !== 'yes') return 'appendonly is off';
    if (policy !== 'noeviction') return `maxmemory-policy is ${policy}, not noeviction`;
    return undefined;
  } catch (cause) {
    // Only the server's own refusal is an answer; a late or broken one says nothing.
    if (cause instanceof ReplyError)
      return 'CONFIG GET is not allowed, so its durability is unknown';
    throw new AppError('store_unavailable', { cause });
  }
};

export const quitRedis = async (client: RedisClient): Promise<void> => {
  if (client.status === 'ready') await client.quit().catch(() => {});
  client.disconnect();
};
