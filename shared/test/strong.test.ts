/** Strong writes against a real master with a real replica that is paused, slow or gone. */
import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { codeOf } from '../errors.js';
import { createLog } from '../log.js';
import { connectRedis, quitRedis } from '../redis.js';
import { confirmWrites, defineStrongScript } from '../redis-calls.js';
import { slotOf } from '../redis-slot.js';
import { openStore } from '../store.js';
import { startCluster, startSentinel } from './redis-topology.js';

t.setTimeout(120_000);

const log = createLog({ level: 'silent', role: 'test' });
const lua = "redis.call('SET', KEYS[1], ARGV[1]) return ARGV[1]";

const open = async (t: Test, url: string) => {
  const store = await openStore({ url, name: 'test', acceptDataLoss: false, log });
  t.teardown(() => quitRedis(store));
  return { store, write: defineStrongScript(store, { name: 'strongSet', lua }) };
};
const outcome = (call: Promise<unknown>) => call.then(() => 'ok', codeOf);

t.test('Sentinel: acknowledged means that a replica has it', async (t) => {
  const set = await startSentinel(t);
  const { store, write } = await open(t, set.url);
  t.equal(await write(['a'], ['1']), '1');
  const [master, ...replicas] = set.servers;
  for (const replica of replicas) await replica.stop('SIGSTOP');

  const before = performance.now();
  const many = await Promise.all(Array.from({ length: 60 }, (_, i) => outcome(write(['b'], [i]))));
  t.ok(
    many.every((found) => found === 'store_unavailable'),
    'no replica, no acknowledgement',
  );
  t.comment(`60 refused in ${Math.round(performance.now() - before)} ms`);
  t.equal(await store.set('plain', '1'), 'OK', 'other writes do not wait');
  t.equal(
    await outcome(confirmWrites(store, 'a')),
    'store_unavailable',
    'a repeat that writes nothing waits too',
  );
  for (const replica of replicas) await replica.stop('SIGCONT');
  t.equal(await write(['a'], ['2']), '2');
  t.equal(await outcome(confirmWrites(store, 'a')), 'ok');
  for (const command of [
    ['SCRIPT', 'FLUSH'],
    ['CLIENT', 'KILL', 'TYPE', 'normal'],
  ])
    await master?.ask(...command).catch(() => {});
  let tries = 0;
  for (; tries < 100; tries++) {
    const isBack = (await outcome(write(['a'], ['3']))) === 'ok';
    // Both connections: the one whose next loss is waited for below is another than that of the write.
    if (isBack && store.status === 'ready') break;
    await sleep(50);
  }
  t.ok(tries < 100, 'back after its connections were lost');

  const closed = new Promise<void>((resolve) => {
    store.once('reconnecting', () => resolve(quitRedis(store)));
  });
  for (const member of [...set.sentinels, ...set.servers]) await member.stop('SIGKILL');
  await closed;
  const countTimers = () =>
    process.getActiveResourcesInfo().filter((it) => it === 'Timeout').length;
  for (tries = 0; countTimers() > 0 && tries < 200; tries++) await sleep(50);
  t.equal(countTimers(), 0, 'a client that is closed between two attempts leaves nothing');
});

t.test('Cluster: every shard by itself, and a slot that has moved', async (t) => {
  const cluster = await startCluster(t);
  const { store, write } = await open(t, cluster.url);
  const keys = ['a', 'b', 'c', '{tag}x', 'user:{42}', 'revocations'];
  for (const key of keys) t.equal(await write([key], [key]), key);
  for (const key of keys) t.equal(await store.get(key), key);

  const [from, to] = [await cluster.masterOf(slotOf('a')), await cluster.masterOf(slotOf('b'))];
  const slot = slotOf('a');
  const [fromId, toId] = [await from.ask('CLUSTER', 'MYID'), await to.ask('CLUSTER', 'MYID')];
  await to.ask('CLUSTER', 'SETSLOT', slot, 'IMPORTING', String(fromId));
  await from.ask('CLUSTER', 'SETSLOT', slot, 'MIGRATING', String(toId));
  t.equal(await write(['a'], ['2']), '2', 'the key is where it was');
  await from.ask('MIGRATE', '127.0.0.1', to.port, 'a', 0, 2000);
  t.equal(await write(['a'], ['3']), '3', 'asked at the new place, while the slot moves');
  for (const node of [to, from]) await node.ask('CLUSTER', 'SETSLOT', slot, 'NODE', String(toId));
  t.equal(await write(['a'], ['4']), '4', 'moved');
  t.equal(await store.get('a'), '4');

  const shard = cluster.shards.find(([master]) => master.port === to.port);
  await shard?.[1].stop('SIGSTOP');
  t.equal(await outcome(write(['b'], ['2'])), 'store_unavailable', 'its replica is away');
  const other = keys.find((key) => ![slotOf('a'), slotOf('b')].includes(slotOf(key))) ?? '';
  const owner = await cluster.masterOf(slotOf(other));
  if (owner.port !== to.port) t.equal(await outcome(write([other], ['2'])), 'ok', 'another shard');
  await shard?.[1].stop('SIGCONT');
  t.equal(await outcome(write(['b'], ['3'])), 'ok');
});

t.test('a Cluster with a master that forgets is refused', async (t) => {
  const cluster = await startCluster(t);
  await cluster.shards[2]?.[0].ask('CONFIG', 'SET', 'maxmemory-policy', 'allkeys-lru');
  const options = { url: cluster.url, name: 'test', log };
  await t.rejects(openStore({ ...options, acceptDataLoss: false }), /allkeys-lru, not noeviction/);
  const accepted = await openStore({ ...options, acceptDataLoss: true });
  await quitRedis(accepted);
  const lost = connectRedis({ url: 'redis+cluster://127.0.0.1:1', name: 'test', log });
  t.equal(
    await outcome(defineStrongScript(lost, { name: 'x1', lua })(['a'], ['1'])),
    'store_unavailable',
  );
  await quitRedis(lost);
});
