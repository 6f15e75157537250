/**
 * Strong writes: acknowledged only when replicas have them, so that a failover does not undo them.
 * WAIT speaks for everything its connection's server did up to the connection's last command, so the
 * script and its WAIT leave in one piece on one connection to one server, which is kept for this:
 * WAIT blocks it. One such piece is under way per server; whoever comes meanwhile shares the next, so a
 * replica that is away costs each of many callers one wait, not the sum of all.
 * EVAL, not EVALSHA: a script that had to be sent again would come after its WAIT.
 */
import { AppError } from './errors.js';
import type { RedisClient, RedisNode } from './redis.js';
import { nodeAt, nodeOf, refreshNodes } from './redis-nodes.js';

type Call = { lua: string; keys: readonly string[]; args: readonly (string | number)[] };
type Answer = { value: unknown } | { error: unknown };
type Job = Call & { isAsking: boolean; settle: (answer: Answer) => void };
type Lane = { queue: Job[]; isBusy: boolean };

/** Together with a round trip below the command timeout of the connection. */
const waitMs = 200;
/** Of the connections that these writes need for themselves. */
export const strongTimeoutMs = 290;
const maxBatch = 100;
const maxTries = 3;

/** `MOVED 1234 host:port`, or ASK: refused, not executed, and where to go. */
const redirection = (error: unknown): { isAsk: boolean; address: string } | undefined => {
  const [, word, address] = /^(MOVED|ASK) \d+ (\S+)$/.exec(messageOf(error)) ?? [];
  return address === undefined ? undefined : { isAsk: word === 'ASK', address };
};

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : '');

const lost = (cause: unknown): AppError => new AppError('store_unavailable', { cause });

/** Sends the jobs and one WAIT; settles each job. Never rejects. */
const sendBatch = async (node: RedisNode, jobs: readonly Job[], replicas: number) => {
  const pipeline = node.pipeline();
  const places: number[] = [];
  for (const { lua, keys, args, isAsking } of jobs) {
    if (isAsking) pipeline.call('ASKING');
    places.push(pipeline.length);
    pipeline.eval(lua, keys.length, ...keys, ...args);
  }
  pipeline.wait(replicas, waitMs);
  const rows = (await pipeline.exec().catch((error: Error) => jobs.map(() => [error, null]))) ?? [];
  const [waitError, acknowledged] = rows.at(-1) ?? [];
  const isSafe = waitError === null && Number(acknowledged) >= replicas;
  jobs.forEach(({ settle }, i) => {
    const [error, value] = rows[places[i] ?? -1] ?? [new Error('no answer')];
    if (error) settle({ error });
    else if (isSafe) settle({ value });
    else settle({ error: waitError ?? new Error('not enough replicas have the write') });
  });
};

/** `client` is kept for this alone. `replicas`: how many must have a write. */
export const createStrong = ({ client, replicas }: { client: RedisClient; replicas: number }) => {
  const lanes = new WeakMap<RedisNode, Lane>();

  const drain = async (node: RedisNode, lane: Lane): Promise<void> => {
    lane.isBusy = true;
    while (lane.queue.length > 0) await sendBatch(node, lane.queue.splice(0, maxBatch), replicas);
    lane.isBusy = false;
  };

  const enter = (node: RedisNode, call: Call, isAsking: boolean): Promise<Answer> =>
    new Promise((settle) => {
      const lane = lanes.get(node) ?? { queue: [], isBusy: false };
      lanes.set(node, lane);
      lane.queue.push({ ...call, isAsking, settle });
      if (!lane.isBusy) void drain(node, lane);
    });

  /** What a server that knows better says is followed; nothing else is sent a second time. */
  return async (lua: string, ...[keys, args]: [Call['keys'], Call['args']]): Promise<unknown> => {
    let node = nodeOf(client, keys[0] ?? '');
    let isAsking = false;
    for (let tries = 0; tries < maxTries; tries++) {
      if (node?.status !== 'ready')
        throw lost(new Error('no connection to the server of this key'));
      const answer = await enter(node, { lua, keys, args }, isAsking);
      if ('value' in answer) return answer.value;
      const next = redirection(answer.error);
      if (next === undefined) throw lost(answer.error);
      isAsking = next.isAsk;
      if (!isAsking) await refreshNodes(client);
      node = isAsking ? nodeAt(client, next.address) : nodeOf(client, keys[0] ?? '');
    }
    throw lost(new Error('the slot keeps moving'));
  };
};
