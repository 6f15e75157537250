/**
 * One script over many records: in one round trip to each server, and where one server has all keys in
 * a few calls, because a call costs both sides more than a record. In a Cluster the records of a call
 * would have to be in one slot, so there each has its own.
 */
import { createHash } from 'node:crypto';
import { AppError } from './errors.js';
import type { RedisClient, RedisNode } from './redis.js';
import { asStoreError, confirmWrites, defineScript, storeCall } from './redis-calls.js';
import { nodeOf } from './redis-nodes.js';

type Call = { keys: readonly string[]; args: readonly (string | number)[] };

/** A server does nothing else meanwhile: these take it less than a millisecond. */
const recordsPerCall = 50;

/** Not executed, and the client knows what to do about it. */
const isRefused = (error: Error): boolean => /^(MOVED|ASK|TRYAGAIN|NOSCRIPT)\b/.test(error.message);

/** The script once for each record, with its own KEYS and ARGV. Returns what it returned, in order. */
const forEach = (keys: number, lua: string): string => `
local function run(KEYS, ARGV)${lua}
end
local count, out = #KEYS / ${keys}, {}
local args = #ARGV / count
for i = 0, count - 1 do
  out[i + 1] = run({unpack(KEYS, ${keys} * i + 1, ${keys} * (i + 1))},
    {unpack(ARGV, args * i + 1, args * (i + 1))}) or false
end
return out`;

type Part = { count: number; keys: string[]; args: (string | number)[] };

/** The calls joined, `size` at a time. */
const inParts = (calls: readonly Call[], size: number): Part[] => {
  const parts: Part[] = [];
  for (let from = 0; from < calls.length; from += size) {
    const some = calls.slice(from, from + size);
    const part: Part = { count: some.length, keys: [], args: [] };
    for (const { keys, args } of some) {
      part.keys.push(...keys);
      part.args.push(...args);
    }
    parts.push(part);
  }
  return parts;
};

const answersOf = (value: unknown, count: number): unknown[] => {
  if (Array.isArray(value) && value.length === count) return value;
  throw new AppError('store_unavailable', { detail: 'unexpected answer' });
};

/**
 * Calls of one script, each with as many arguments, answered in order. If one fails, all of it does,
 * with store_unavailable: each may have been executed all the same, so they must be repeatable.
 */
export const defineBatch = (
  client: RedisClient,
  script: { name: string; keys: number; lua: string },
  { isStrong = false }: { isStrong?: boolean } = {},
) => {
  const lua = forEach(script.keys, script.lua);
  const sha = createHash('sha1').update(lua).digest('hex');
  const runAgain = defineScript(client, { name: `${script.name}Batch`, lua });

  const runOn = async (node: RedisNode, calls: readonly Call[]): Promise<unknown[]> => {
    const parts = inParts(calls, node === client ? recordsPerCall : 1);
    const pipeline = node.pipeline();
    pipeline.script('LOAD', lua);
    for (const { keys, args } of parts) pipeline.evalsha(sha, keys.length, ...keys, ...args);
    const rows = (await storeCall(pipeline.exec())) ?? [];
    const answers = parts.map(({ keys, args }, i) => {
      const [error, value] = rows[i + 1] ?? [new Error('no answer')];
      if (error === null) return value;
      return isRefused(error) ? runAgain(keys, args) : asStoreError(error);
    });
    const all = await Promise.all(answers);
    return parts.flatMap(({ count }, i) => answersOf(all[i], count));
  };

  return async (calls: readonly Call[]): Promise<unknown[]> => {
    const groups = new Map<RedisNode, { places: number[]; mine: Call[] }>();
    for (const [place, call] of calls.entries()) {
      const node = nodeOf(client, call.keys[0] ?? '');
      if (node?.status !== 'ready')
        throw new AppError('store_unavailable', { detail: 'no connection to the server of a key' });
      const group = groups.get(node) ?? { places: [], mine: [] };
      group.places.push(place);
      group.mine.push(call);
      groups.set(node, group);
    }
    const answers: unknown[] = new Array(calls.length);
    await Promise.all(
      [...groups].map(async ([node, { places, mine }]) => {
        const values = await runOn(node, mine);
        if (isStrong) await confirmWrites(client, mine[0]?.keys[0] ?? '');
        for (const [i, place] of places.entries()) answers[place] = values[i];
      }),
    );
    return answers;
  };
};
