import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { type NodeEntry, signEntry } from '../../../shared/protocol.js';
import { connectRedis, quitRedis } from '../../../shared/redis.js';
import { whenReady } from '../../../shared/redis-calls.js';
import { startRedis, type TestRedis } from '../../../shared/test/redis-server.js';
import { createRegistry } from '../../nodes/registry.js';

const secret = 'the secret of the cluster';
const log = { info: () => {}, warn: () => {} };

const entryOf = (id: string, changes: Partial<NodeEntry> = {}): NodeEntry => ({
  id,
  boot_id: 'boot-1',
  endpoints: [{ unix: `/elsewhere/${id}.sock`, dir_id: 'this directory' }],
  slots: 2,
  version: '0.1.0',
  zone: '',
  draining: false,
  ...changes,
});

const setUp = async (t: Test, secrets: string[] = [secret]) => {
  const server = await startRedis(t);
  const runtimeDir = mkdtempSync(join(tmpdir(), 'fg-run-'));
  writeFileSync(join(runtimeDir, 'dir_id'), 'this directory\n');
  const redis = connectRedis({ url: server.url, name: 'test', log });
  await whenReady(redis, 2000);
  let clock = 0;
  const registry = createRegistry({
    redis,
    secrets,
    runtimeDir,
    log,
    now: () => clock,
  });
  t.teardown(async () => {
    registry.close();
    await quitRedis(redis);
    rmSync(runtimeDir, { recursive: true });
  });
  const beat = async (entry: NodeEntry, text = signEntry(secret, entry), agoMs = 0) => {
    const [seconds = 0, micros = 0] = (await redis.time()).map(Number);
    await redis.zadd('{nodes}:seen', seconds * 1000 + micros / 1000 - agoMs, entry.id);
    await redis.hset('{nodes}:entries', entry.id, text);
  };
  const ids = async (): Promise<string[]> => {
    await registry.refresh();
    await registry.refresh();
    return registry.members().map((member) => member.entry.id);
  };
  const pass = (ms: number) => {
    clock += ms;
  };
  return { server, redis, registry, runtimeDir, beat, ids, pass };
};

/** Waits for the client to be connected again after the server has come back. */
const restart = async (server: TestRedis, redis: ReturnType<typeof connectRedis>) => {
  await server.start();
  await whenReady(redis, 3000);
};

t.test('ready after the first read, also when there is no node', async (t) => {
  const { registry } = await setUp(t);
  await registry.ready();
  t.same(registry.members(), []);
});

t.test('it reads often while there is nobody, seldom when there is', async (t) => {
  const readsOf = async (t: Test, nodes: string[]) => {
    const { beat, ids, redis } = await setUp(t);
    for (const id of nodes) await beat(entryOf(id));
    t.same(await ids(), nodes);
    const count = async () =>
      Number(/evalsha:calls=(\d+)/.exec(await redis.info('commandstats'))?.[1]);
    const before = await count();
    await sleep(1500);
    return (await count()) - before;
  };
  const [none, one] = await Promise.all([readsOf(t, []), readsOf(t, ['a'])]);
  t.ok(none > 2 * one, `${none} and ${one} reads`);
});

t.test('members are those with a heartbeat within 3 s of server time', async (t) => {
  const { beat, ids, registry, runtimeDir } = await setUp(t);
  await beat(entryOf('fresh'));
  await beat(entryOf('late'), undefined, 2500);
  await beat(entryOf('dead'), undefined, 3500);
  t.same((await ids()).sort(), ['fresh', 'late']);
  const fresh = registry.members().find((member) => member.entry.id === 'fresh');
  t.same(fresh?.place, { kind: 'unix', path: join(runtimeDir, 'fresh.sock') }, 'as seen from here');
});

t.test('entries that are not signed for this cluster are ignored and counted', async (t) => {
  const { beat, ids, registry } = await setUp(t);
  await beat(entryOf('good'));
  await beat(entryOf('a'), signEntry('another secret', entryOf('a')));
  await beat(entryOf('b'), JSON.stringify(entryOf('b')));
  await beat(entryOf('c'), `${'0'.repeat(64)}.{}`);
  await beat(entryOf('d'), signEntry(secret, entryOf('someone else')));
  await beat(entryOf('e'), '');
  await beat(entryOf('f'), `${'é'.repeat(64)}.{}`);
  t.same(await ids(), ['good']);
  t.equal(registry.ignored('unsigned'), 6);
  await beat(entryOf('a'), signEntry(secret, entryOf('a')));
  t.same((await ids()).sort(), ['a', 'good'], 'and taken once they are');
  t.equal(registry.ignored('unsigned'), 5);
});

t.test('while the secret rotates, entries under the previous one count', async (t) => {
  const { beat, ids } = await setUp(t, ['next secret', secret]);
  await beat(entryOf('old'));
  await beat(entryOf('new'), signEntry('next secret', entryOf('new')));
  t.same((await ids()).sort(), ['new', 'old']);
});

t.test('nodes in another directory or without a socket cannot be used', async (t) => {
  const { beat, ids, registry, runtimeDir } = await setUp(t);
  const elsewhere = [{ unix: '/run/x/node.sock', dir_id: 'another directory' }];
  await beat(entryOf('far', { endpoints: elsewhere }));
  await beat(entryOf('none', { endpoints: [] }));
  const tls = [{ tcp: 'host:7443', name: 'floodgate://node/tls' }];
  await beat(entryOf('tls', { endpoints: tls }));
  t.same(await ids(), []);
  t.equal(registry.ignored('unreachable'), 3, 'nor over TCP without certificates');
  writeFileSync(join(runtimeDir, 'dir_id'), 'another directory');
  t.same(await ids(), ['far'], 'the directory was made anew');
});

t.test('changes are told once, with the whole membership', async (t) => {
  const { beat, ids, registry } = await setUp(t);
  const told: string[][] = [];
  registry.onChange((members) => {
    told.push(members.map(({ entry }) => `${entry.id} ${entry.boot_id} ${entry.draining}`));
  });
  await beat(entryOf('n1'));
  await ids();
  await ids();
  await beat(entryOf('n1', { draining: true }));
  await ids();
  await beat(entryOf('n1', { boot_id: 'boot-2' }));
  await ids();
  t.same(told, [['n1 boot-1 false'], ['n1 boot-1 true'], ['n1 boot-2 false']]);
});

t.test('with Redis lost the last membership stays', async (t) => {
  const { beat, ids, server, redis, pass } = await setUp(t);
  await beat(entryOf('n1'));
  t.same(await ids(), ['n1']);
  await server.stop('SIGKILL');
  pass(60_000);
  t.same(await ids(), ['n1']);
  await restart(server, redis);
  await redis.del('{nodes}:seen', '{nodes}:entries');
  t.same(await ids(), ['n1'], 'a store that comes back empty has forgotten it');
  await beat(entryOf('n2'));
  t.same((await ids()).sort(), ['n1', 'n2']);
  pass(3000);
  t.same(await ids(), ['n2'], 'one lifetime later it is believed');
});

t.test(
  'a store that loses all nodes is not believed while it names nobody, as when it takes no writes',
  async (t) => {
    const { beat, ids, redis, pass } = await setUp(t);
    await beat(entryOf('n1'));
    await beat(entryOf('n2'));
    await ids();
    await redis.del('{nodes}:seen');
    t.equal((await ids()).length, 2);
    await beat(entryOf('n2'));
    t.equal((await ids()).length, 2, 'nor when the first one is back');
    pass(3000);
    t.same(await ids(), ['n2']);
    await redis.del('{nodes}:seen');
    await ids();
    pass(60_000);
    t.same(await ids(), ['n2']);
    await beat({ ...entryOf('n2'), draining: true });
    t.same(await ids(), ['n2']);
    await redis.del('{nodes}:seen');
    pass(3000);
    t.same(await ids(), [], 'whoever said that it would go has gone');
  },
);

t.test(
  "most of them gone at once is the store's clock, or a host that stood still: they stay a while",
  async (t) => {
    const { beat, ids, pass } = await setUp(t);
    const all = Array.from({ length: 8 }, (_, i) => `n${i + 1}`);
    const beatAll = async (some: readonly string[], agoMs: number, changes = {}) => {
      for (const id of some) await beat(entryOf(id, changes), undefined, agoMs);
    };
    await beatAll(all, 0);
    t.same((await ids()).sort(), all);
    await beatAll(all.slice(1), 60_000);
    t.same((await ids()).sort(), all, 'one of eight is named');
    pass(2999);
    t.same((await ids()).sort(), all);
    await beatAll(all.slice(0, 5), 0);
    pass(1);
    t.same((await ids()).sort(), all.slice(0, 5), 'who does not come back is gone');

    await beatAll(['n1', 'n2'], 60_000);
    t.same((await ids()).sort(), ['n3', 'n4', 'n5'], 'fewer are believed at once');
    await beatAll(['n3', 'n4'], 0, { draining: true });
    await ids();
    await beatAll(['n3', 'n4'], 60_000);
    t.same(await ids(), ['n5'], 'so are those that said they would go');
  },
);

t.test('a node that leaves is gone at the next read', async (t) => {
  const { beat, ids, redis } = await setUp(t);
  await beat(entryOf('n1'));
  await beat(entryOf('n2'));
  await ids();
  await redis.zrem('{nodes}:seen', 'n1');
  t.same(await ids(), ['n2']);
  await beat(entryOf('n2', { draining: true }));
  await ids();
  await redis.zrem('{nodes}:seen', 'n2');
  t.same(await ids(), [], 'also the last one, when it said so');
});
