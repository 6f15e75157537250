import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { createLog } from '../../shared/log.js';
import { connectRedis } from '../../shared/redis.js';
import { patiently, whenReady } from '../../shared/redis-calls.js';
import { startCluster } from '../../shared/test/redis-topology.js';
import { createRedisCredentials } from '../credentials/redis.js';
import { recordOf } from './conformance.js';
import { newId } from './node.js';

t.setTimeout(120_000);
const log = createLog({ level: 'silent', role: 'test' });

t.test('a Cluster: imports go to every master, and a scan sees them all', async (t) => {
  const cluster = await startCluster(t);
  const redis = connectRedis({ url: cluster.url, name: 'test', log, commandTimeoutMs: 5000 });
  t.teardown(() => redis.disconnect());
  await whenReady(redis, 20_000);
  const credentials = createRedisCredentials({ redis });
  const us = Array.from({ length: 600 }, newId);
  const rows = us.map((u) => ({ u, record: recordOf(u, { userId: u }) }));
  // A Cluster is ready before the connections to all of its masters are; until then nothing is sent.
  const made = await patiently(() => credentials.createMany(rows, 'insert'), 20_000);
  t.same(
    made.map((created) => created.outcome === 'ok' && created.userId),
    us,
    'each answer has the place of its row',
  );

  const scan = async (disturb: (page: number) => Promise<void> = async () => {}) => {
    const seen = new Set<string>();
    let cursor = '';
    for (let page = 0; page === 0 || cursor !== ''; page++) {
      const next = await patiently(() => credentials.scan(cursor, 100), 20_000);
      cursor = next.cursor;
      for (const { u } of next.rows) seen.add(u);
      await disturb(page);
    }
    return us.filter((u) => !seen.has(u)).length;
  };
  t.equal(await scan(), 0);
  const [[, replica] = []] = cluster.shards;
  const change = async (page: number) => {
    if (page !== 2 || replica === undefined) return;
    await replica.ask('CLUSTER', 'FAILOVER');
    for (let role = ''; role !== 'master'; await sleep(50))
      role = String(await replica.ask('ROLE')).slice(0, 6);
  };
  t.equal(await scan(change), 0, 'also when another server takes over meanwhile');
  const [first, second] = await Promise.all([
    credentials.scan('', 50),
    credentials.scan('no.such.cursor', 50),
  ]);
  t.same(second, first, 'a cursor that is not understood is the beginning');
});
