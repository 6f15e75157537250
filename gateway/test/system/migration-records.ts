/**
 * What the store says about migrations, by user id. Every write raises a record's version, and a
 * password change raises version and generation together; so version less generation is the number of
 * migration writes, whatever else happened.
 */
import type { Test } from 'tap';
import { createLog } from '../../../shared/log.js';
import { connectRedis, type RedisNode } from '../../../shared/redis.js';
import { whenReady } from '../../../shared/redis-calls.js';
import { nodesOf } from '../../../shared/redis-nodes.js';
import type { TestPostgres } from '../../../worker/test/postgres-server.js';

export type Stored = { hash: string; version: number; gen: number };
/** By user id. */
export type Records = Map<string, Stored>;
type Row = { u: string; id: string; hash: string; version: string };

export const quiet = createLog({ level: 'silent', role: 'test' });

export const writesOf = ({ version, gen }: Stored): number => version - gen;
export const isCurrent = ({ hash }: Stored): boolean =>
  /^\$argon2id\$v=19\$m=19456,t=2,p=1[$,]/.test(hash);

/** Many short commands at once: what each answers. */
const ask = async (node: RedisNode, commands: string[][]): Promise<unknown[]> => {
  const answers: unknown[] = [];
  for (let at = 0; at < commands.length; at += 1000) {
    const rows = await node.pipeline(commands.slice(at, at + 1000)).exec();
    for (const [error, value] of rows ?? []) answers.push(error ? undefined : value);
  }
  return answers;
};

const readRedisRows = async (node: RedisNode): Promise<Row[]> => {
  const keys: string[] = [];
  let cursor = '0';
  do {
    const [next, page] = await node.scan(cursor, 'MATCH', 'cred:*', 'COUNT', 1000);
    keys.push(...page);
    cursor = next;
  } while (cursor !== '0');
  const rows = await ask(
    node,
    keys.map((key) => ['hmget', key, 'user_id', 'hash', 'version']),
  );
  return keys.map((key, i) => {
    const [id, hash, version] = Object(rows[i]);
    return { u: key.slice('cred:{'.length, -1), id, hash, version };
  });
};

const postgresRows = 'SELECT u, user_id AS id, hash, version::text FROM floodgate.credentials';

/** A way to read all records: from Redis, or from PostgreSQL with the account state in Redis. */
export const openRecords = async (
  t: Test,
  url: string,
  postgres?: TestPostgres,
): Promise<() => Promise<Records>> => {
  const client = connectRedis({ url, name: 'records', log: quiet, commandTimeoutMs: 20_000 });
  t.teardown(() => client.disconnect());
  await whenReady(client, 10_000);
  const [node] = nodesOf(client, 'master');
  if (node === undefined) throw new Error('no server');
  return async () => {
    const rows = (await postgres?.ask<Row>(postgresRows)) ?? (await readRedisRows(node));
    const gens = await ask(
      node,
      rows.map(({ u }) => ['hget', `user:{${u}}`, 'gen']),
    );
    return new Map(
      rows.map(({ id, hash, version }, i) => [
        id,
        { hash, version: Number(version), gen: Number(gens[i]) },
      ]),
    );
  };
};
