/**
 * A program's connection to Redis, checked before anything is promised: a store that may forget what
 * was acknowledged is refused unless the operator said so. Where the store has replicas, a second
 * connection is kept for strong writes.
 */
import { AppError } from './errors.js';
import type { Log } from './log.js';
import { connectRedis, quitRedis, type RedisClient, type RedisNode } from './redis.js';
import { patiently, storeCall, whenReady } from './redis-calls.js';
import { nodesOf } from './redis-nodes.js';
import { parseRedisUrl, type RedisTarget } from './redis-url.js';
import { createStrong, strongTimeoutMs } from './strong.js';

const patienceMs = 10_000;

const notAnswering =
  'Redis does not answer at REDIS_URL: is it running, are user, password and the form of the URL right?';

/** Only the server's own refusal is an answer; a late or broken one says nothing. */
const isRefusal = (cause: unknown): boolean =>
  cause instanceof Error && cause.name === 'ReplyError';

/** What makes this server forget what was acknowledged; undefined = nothing does. */
const findNodeProblem = async (node: RedisNode): Promise<string | undefined> => {
  try {
    const read = async (name: string): Promise<unknown> => {
      const answer: unknown = await node.config('GET', name);
      return Array.isArray(answer) ? answer[1] : undefined;
    };
    const appendOnly = await read('appendonly');
    const policy = await read('maxmemory-policy');
    if (appendOnly !== 'yes') return 'appendonly is off';
    if (policy !== 'noeviction') return `maxmemory-policy is ${policy}, not noeviction`;
    return undefined;
  } catch (cause) {
    if (isRefusal(cause)) return 'CONFIG GET is not allowed, so its durability is unknown';
    throw new AppError('store_unavailable', { cause });
  }
};

/**
 * The first problem of any master, and of any replica of a Cluster that answers: it may be master
 * next. AppError store_unavailable when a master did not answer.
 */
export const findDurabilityProblem = async (client: RedisClient): Promise<string | undefined> => {
  const masters = nodesOf(client, 'master');
  if (masters.length === 0) throw new AppError('store_unavailable', { detail: 'no master known' });
  const replicas = nodesOf(client, 'slave').filter(({ status }) => status === 'ready');
  const problems = await Promise.all([
    ...masters.map(findNodeProblem),
    ...replicas.map((node) => findNodeProblem(node).catch(() => undefined)),
  ]);
  return problems.find((problem) => problem !== undefined);
};

/**
 * Why these servers are none to work with. A single connection to one server of a Cluster would miss most
 * keys, and servers before 7.0 cannot read scripts with flags.
 */
export const findMisfit = async (
  client: RedisClient,
  kind: RedisTarget['kind'],
): Promise<string | undefined> => {
  const masters = nodesOf(client, 'master');
  const infos = (await Promise.all(masters.map((node) => node.info()))).join('\n');
  const versions = [...infos.matchAll(/^redis_version:((\d+)\S*)/gm)];
  const [, old] = versions.find(([, , major]) => Number(major) < 7) ?? [];
  if (old !== undefined) return `Redis ${old}: 7.0 or newer is needed, or Valkey`;
  return kind !== 'cluster' && /^cluster_enabled:1/m.test(infos)
    ? 'a server of a Cluster: write redis+cluster://'
    : undefined;
};

/** How many replicas follow the master that has the fewest. AppError store_unavailable. */
const countReplicas = async (client: RedisClient): Promise<number> => {
  const infos = await Promise.all(
    nodesOf(client, 'master').map((node) => node.info('replication')),
  ).catch((cause: unknown) => {
    throw new AppError('store_unavailable', { cause });
  });
  return Math.min(...infos.map((text) => Number(/^connected_slaves:(\d+)/m.exec(text)?.[1])));
};

/** Strong writes wait for `replicas`; said once when there are too few of them now. */
const openStrong = async (
  redis: RedisClient,
  options: { url: string; name: string; log: Log; replicas: number },
) => {
  const { url, name, log, replicas } = options;
  const client = connectRedis({
    url,
    name: `${name}-strong`,
    log,
    commandTimeoutMs: strongTimeoutMs,
  });
  redis.strong = { run: createStrong({ client, replicas }), client };
  await whenReady(client, patienceMs);
  const found = await patiently(() => countReplicas(redis), patienceMs);
  if (found < replicas)
    log.warn(
      { replicas: found, needed: replicas },
      'a master has too few replicas: logout, registration and password change answer 503 until it has, see REDIS_WAIT_REPLICAS',
    );
};

/** Throws an Error that says what to do. */
export const openStore = async (options: {
  url: string;
  name: string;
  acceptDataLoss: boolean;
  log: Log;
}): Promise<RedisClient> => {
  const { url, name, log } = options;
  const { kind, waitReplicas: replicas } = parseRedisUrl(url);
  const redis = connectRedis({ url, name, log });
  let problem: string | undefined;
  let misfit: string | undefined;
  try {
    await whenReady(redis, patienceMs);
    misfit = await patiently(() => storeCall(findMisfit(redis, kind)), patienceMs);
    problem = await patiently(() => findDurabilityProblem(redis), patienceMs);
    if (replicas > 0) await openStrong(redis, { url, name, log, replicas });
  } catch (cause) {
    await quitRedis(redis);
    throw new Error(notAnswering, { cause });
  }
  if (misfit !== undefined) {
    await quitRedis(redis);
    throw new Error(`REDIS_URL leads to ${misfit}`);
  }
  if (problem === undefined) return redis;
  if (options.acceptDataLoss) {
    log.warn({ problem }, 'Redis may lose acknowledged changes, accepted by ACCEPT_DATA_LOSS');
    return redis;
  }
  await quitRedis(redis);
  throw new Error(
    `Redis may lose acknowledged changes: ${problem}. Set appendonly yes and maxmemory-policy noeviction there, or accept it with ACCEPT_DATA_LOSS=1.`,
  );
};
