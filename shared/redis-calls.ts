/**
 * How this code calls Redis: scripts, strong or not, and plain commands with their failures mapped to
 * AppError store_unavailable; waiting for a client, and asking again at a start.
 */
import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { AppError, codeOf } from './errors.js';
import { nodeOf, type RedisClient, type RedisNode, type Script } from './redis.js';

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
 * A script whose effect must survive a failover once it is acknowledged: resolves only when enough
 * replicas have it, where the store has replicas. After store_unavailable it may have been executed
 * all the same, so it must be repeatable; the repeat waits for the replicas again.
 */
export const defineStrongScript = (
  client: RedisClient,
  script: { name: string; keys: number; lua: string },
): Script => {
  const { runStrong } = client;
  if (runStrong === undefined) return defineScript(client, script);
  return (keys, args) => runStrong(script.lua, keys, args).catch(asStoreError);
};

/** Resolves when what was written so far, where `key` is, would survive a failover. */
export const confirmWrites = async (client: RedisClient, key: string): Promise<void> => {
  await client.runStrong?.('return 1', [key], []).catch(asStoreError);
};

type Call = { keys: readonly string[]; args: readonly (string | number)[] };

/** Not executed, and the client knows what to do about it. */
const isRefused = (error: Error): boolean => /^(MOVED|ASK|TRYAGAIN|NOSCRIPT)\b/.test(error.message);

/**
 * Many calls of one script in one round trip to each server, answered in order. If one fails, all of
 * it does, with store_unavailable: each may have been executed all the same, so they must be repeatable.
 */
export const defineBatch = (
  client: RedisClient,
  script: { name: string; keys: number; lua: string },
  { isStrong = false }: { isStrong?: boolean } = {},
) => {
  const runOne = defineScript(client, script);
  const sha = createHash('sha1').update(script.lua).digest('hex');

  const runOn = async (node: RedisNode, calls: readonly Call[]): Promise<unknown[]> => {
    const pipeline = node.pipeline();
    pipeline.script('LOAD', script.lua);
    for (const { keys, args } of calls) pipeline.evalsha(sha, keys.length, ...keys, ...args);
    const rows = (await storeCall(pipeline.exec())) ?? [];
    const answers = calls.map(({ keys, args }, i) => {
      const [error, value] = rows[i + 1] ?? [new Error('no answer')];
      if (error === null) return value;
      return isRefused(error) ? runOne(keys, args) : asStoreError(error);
    });
    return Promise.all(answers);
  };

  return async (calls: readonly Call[]): Promise<unknown[]> => {
    const groups = new Map<RedisNode, number[]>();
    for (const [place, { keys }] of calls.entries()) {
      const node = nodeOf(client, keys[0] ?? '');
      if (node?.status !== 'ready')
        throw new AppError('store_unavailable', { detail: 'no connection to the server of a key' });
      const places = groups.get(node) ?? [];
      places.push(place);
      groups.set(node, places);
    }
    const answers: unknown[] = new Array(calls.length);
    await Promise.all(
      [...groups].map(async ([node, places]) => {
        const mine = places.flatMap((place) => calls[place] ?? []);
        const values = await runOn(node, mine);
        if (isStrong) await confirmWrites(client, mine[0]?.keys[0] ?? '');
        for (const [i, place] of places.entries()) answers[place] = values[i];
      }),
    );
    return answers;
  };
};
