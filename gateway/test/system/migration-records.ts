/**
 * What the store says about migrations, by user id. Every write raises a record's version, and a
 * password change raises version and generation together; so version less generation is the number of
 * migration writes, whatever else happened.
 */
import type { Test } from 'tap';
import { createLog } from '../../../shared/log.js';
import { connectRedis, nodesOf } from '../../../shared/redis.js';
import { whenReady } from '../../../shared/redis-calls.js';

export type Stored = { hash: string; version: number; gen: number };
/** By user id. */
export type Records = Map<string, Stored>;

export const quiet = createLog({ level: 'silent', role: 'test' });

export const writesOf = ({ version, gen }: Stored): number => version - gen;
export const isCurrent = ({ hash }: Stored): boolean =>
  /^\$argon2id\$v=19\$m=19456,t=2,p=1[$,]/.test(hash);

/** A way to read all records of a Redis. */
export const openRecords = async (t: Test, url: string): Promise<() => Promise<Records>> => {
  const client = connectRedis({ url, name: 'records', log: quiet, commandTimeoutMs: 20_000 });
  t.teardown(() => client.disconnect());
  await whenReady(client, 10_000);
  const [node] = nodesOf(client, 'master');
  if (node === undefined) throw new Error('no server');

  const readPage = async (keys: string[], into: Records) => {
    const pipeline = node.pipeline();
    for (const key of keys) {
      pipeline.hmget(key, 'user_id', 'hash', 'version');
      pipeline.hget(key.replace('cred:', 'user:'), 'gen');
    }
    const rows = (await pipeline.exec()) ?? [];
    keys.forEach((_, i) => {
      const [id, hash, version] = Object(rows[2 * i]?.[1]);
      into.set(String(id), { hash, version: Number(version), gen: Number(rows[2 * i + 1]?.[1]) });
    });
  };

  return async () => {
    const records: Records = new Map();
    let cursor = '0';
    do {
      const [next, keys] = await node.scan(cursor, 'MATCH', 'cred:*', 'COUNT', 500);
      if (keys.length > 0) await readPage(keys, records);
      cursor = next;
    } while (cursor !== '0');
    return records;
  };
};
