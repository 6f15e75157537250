/** The revocation log on a real Cluster: ids of the future, a hand-over, and a new master that lacks the tail. */
import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { connectRedis, quitRedis } from '../../../shared/redis.js';
import { patiently, whenReady } from '../../../shared/redis-calls.js';
import { slotOf } from '../../../shared/redis-slot.js';
import { startCluster } from '../../../shared/test/redis-topology.js';
import { createRevocations, type Revocation } from '../../tokens/revocations.js';
import { quiet, until } from '../store.js';

t.setTimeout(120_000);

const session = (id: string): Revocation => ({ kind: 'session', id });

const openEdge = async (t: Test, url: string) => {
  const redis = connectRedis({ url, name: 'test', log: quiet, commandTimeoutMs: 2000 });
  t.teardown(() => quitRedis(redis));
  await whenReady(redis, 5000);
  const connect = () => connectRedis({ url, name: 'log', log: quiet, blocking: true });
  const log = createRevocations({ redis, connect, log: quiet });
  t.teardown(log.close);
  let gaps = 0;
  log.onGap(() => gaps++);
  await log.ready();
  const saw = (id: string) => log.check({ sid: id, u: id, gen: 1, jti: id, kid: id }) === 'ended';
  const publish = (id: string) => patiently(() => log.publish(session(id)), 20_000);
  return { redis, publish, saw, gaps: () => gaps };
};

t.test(
  'ids of the future, a hand-over, and a lost tail: every edge knows what was acknowledged',
  async (t) => {
    const cluster = await startCluster(t);
    const shard = async () => {
      const master = await cluster.masterOf(slotOf('revocations'));
      const pair = cluster.shards.find((members) =>
        members.some(({ port }) => port === master.port),
      );
      const replica = pair?.find(({ port }) => port !== master.port);
      if (replica === undefined) throw new Error('no replica');
      return { master, replica };
    };
    const [one, two] = [await openEdge(t, cluster.url), await openEdge(t, cluster.url)];

    // As a master whose clock is ten minutes ahead would have written it.
    const { redis } = one;
    await redis.xadd('revocations', `${Date.now() + 600_000}-0`, 'kind', 'session', 'id', 'future');
    t.ok(await until(() => two.saw('future')), 'an id of the future is read');
    await one.publish('after');
    t.ok(await until(() => two.saw('after')), 'and what comes after it, by a clock behind');
    t.equal(two.gaps(), 1, 'the start only');

    const before = await shard();
    await before.replica.ask('CLUSTER', 'FAILOVER');
    t.ok(
      await until(async () => (await shard()).master.port === before.replica.port, 20_000),
      'the replica has taken over',
    );
    await one.publish('handed over');
    t.ok(await until(() => two.saw('handed over'), 10_000), 'published at the new master');
    t.ok(two.gaps() > 1, 'another server is a gap: everything was read again');
    t.ok(two.saw('future') && two.saw('after'), 'and nothing was forgotten');

    const { master, replica } = await shard();
    await until(
      async () => /master_link_status:up/.test(String(await replica.ask('INFO', 'replication'))),
      20_000,
    );
    await sleep(500);
    await replica.stop('SIGSTOP');
    const gaps = two.gaps();
    await one.publish('lost tail');
    t.ok(await until(() => two.saw('lost tail')), 'edges read what the replica does not have');
    await master.stop('SIGKILL');
    await replica.stop('SIGCONT');
    t.ok(
      await until(
        async () =>
          (await replica.ask('CLUSTER', 'FAILOVER', 'TAKEOVER').catch(() => '')) === 'OK' ||
          (await shard()).master.port === replica.port,
        20_000,
      ),
    );
    for (const id of ['n1', 'n2', 'n3']) await one.publish(id);
    for (const id of ['n1', 'n2', 'n3'])
      t.ok(await until(() => two.saw(id), 10_000), `${id}, written after the tail was lost`);
    t.ok(two.gaps() > gaps);
    t.ok(two.saw('lost tail'), 'what an edge refused once it refuses on');
    const late = await openEdge(t, cluster.url);
    for (const id of ['future', 'after', 'handed over', 'n1', 'n3'])
      t.ok(late.saw(id), `late: ${id}`);
  },
);
