/**
 * Walks over the keys of all records, server after server. SCAN promises to see every key that is
 * there all the time, but only within one life of one server: the order is of its own making. So a
 * cursor names the servers, their lives and the slots they have, and when any of that has changed the
 * walk begins again: seen twice is allowed, not seen is not.
 */
import { createHash } from 'node:crypto';
import { AppError } from '../../shared/errors.js';
import type { RedisClient, RedisNode } from '../../shared/redis.js';
import { storeCall } from '../../shared/redis-calls.js';
import { mapOf, nodesOf } from '../../shared/redis-nodes.js';

const runIdOf = async (node: RedisNode): Promise<string> =>
  /^run_id:(\w+)/m.exec(await storeCall(node.info('server')))?.[1] ?? '';

/** The masters in an order that stays, and a name for this state of the store. */
const look = async (redis: RedisClient) => {
  const masters = await Promise.all(
    nodesOf(redis, 'master').map(async (node) => ({ node, id: await runIdOf(node) })),
  );
  if (masters.length === 0) throw new AppError('store_unavailable', { detail: 'no master known' });
  masters.sort((a, b) => (a.id < b.id ? -1 : 1));
  const text = [mapOf(redis), ...masters.map(({ id }) => id)].join('\n');
  const state = createHash('sha256').update(text).digest('base64url').slice(0, 22);
  return { state, nodes: masters.map(({ node }) => node) };
};

/** `<state>.<server>.<its cursor>`; anything else, '' among it, is the beginning. */
const readCursor = (cursor: string, state: string) => {
  const [seen, index, inner] = cursor.split('.');
  const isGood = seen === state && /^\d+$/.test(index ?? '') && /^\d+$/.test(inner ?? '');
  return isGood ? { index: Number(index), inner: inner ?? '0' } : { index: 0, inner: '0' };
};

/** One step: account keys of records, and where to go on ('' = the end). */
export const scanRecords = async (
  redis: RedisClient,
  cursor: string,
  limit: number,
): Promise<{ cursor: string; us: string[] }> => {
  const { state, nodes } = await look(redis);
  const { index, inner } = readCursor(cursor, state);
  const node = nodes[index];
  if (node === undefined) return { cursor: '', us: [] };
  const [next, keys] = await storeCall(node.scan(inner, 'MATCH', 'cred:*', 'COUNT', limit));
  const us = keys.flatMap((key) => /^cred:\{([\w-]{22})\}$/.exec(key)?.[1] ?? []);
  if (next !== '0') return { cursor: `${state}.${index}.${next}`, us };
  const isLast = index + 1 >= nodes.length;
  return { cursor: isLast ? '' : `${state}.${index + 1}.0`, us };
};
