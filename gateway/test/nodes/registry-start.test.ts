/** When an edge may begin to use the registry, and what it says of it. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { type NodeEntry, signEntry } from '../../../shared/protocol.js';
import { connectRedis, quitRedis } from '../../../shared/redis.js';
import { whenReady } from '../../../shared/redis-calls.js';
import { startRedis } from '../../../shared/test/redis-server.js';
import { createRegistry } from '../../nodes/registry.js';
import { openClient, quiet } from '../store.js';

const secret = 'the secret of the cluster';

const entryOf = (id: string, changes: Partial<NodeEntry> = {}): NodeEntry => ({
  id,
  boot_id: 'boot-1',
  endpoints: [{ unix: '/run/n.sock', dir_id: 'here' }],
  slots: 2,
  version: '0.1.0',
  zone: '',
  draining: false,
  ...changes,
});

/** `user`: as whom the registry reads. `open` makes it; `pass` is its clock. */
const setUp = async (t: Test, user = '') => {
  const server = await startRedis(t);
  writeFileSync(join(server.dir, 'dir_id'), 'here');
  const admin = await openClient(t, server);
  await admin.call('ACL', 'SETUSER', 'narrow', 'on', '>pw', '~other', '+@all');
  const lines: object[] = [];
  const write = (fields: object, text: string) => void lines.push({ ...fields, text });
  let clock = 0;

  const open = async () => {
    const url = server.url.replace('unix://', `unix://${user}`);
    const redis = connectRedis({ url, name: 'test', log: quiet });
    await whenReady(redis, 2000);
    const registry = createRegistry({
      ...{ redis, secrets: [secret], runtimeDir: server.dir, now: () => clock },
      log: { info: write, warn: write },
    });
    t.teardown(async () => {
      registry.close();
      await quitRedis(redis);
    });
    let state = 'waiting';
    registry.ready().then(
      () => {
        state = 'ready';
      },
      (error: Error) => {
        state = error.message;
      },
    );
    /** After a read that began now. */
    const stateNow = async (): Promise<string> => {
      await registry.refresh();
      await registry.refresh();
      await sleep(0);
      return state;
    };
    return { ...registry, stateNow };
  };
  const beat = async (entry: NodeEntry, by = secret) => {
    const [seconds = 0] = (await admin.time()).map(Number);
    await admin.zadd('{nodes}:seen', seconds * 1000, entry.id);
    await admin.hset('{nodes}:entries', entry.id, signEntry(by, entry));
  };
  const pass = (ms: number) => {
    clock += ms;
  };
  return { admin, lines, open, beat, pass };
};

t.test('a secret that fits no node keeps an edge from being ready, and it says so', async (t) => {
  const { beat, open, pass } = await setUp(t);
  await beat(entryOf('a'), 'another secret');
  await beat(entryOf('b'), 'another secret');
  const { stateNow } = await open();
  t.equal(await stateNow(), 'waiting');
  pass(7999);
  t.equal(await stateNow(), 'waiting', 'old entries may be those of nodes that were restarted');
  pass(1);
  t.match(await stateNow(), /^NODE_SECRET fits none of the 2 nodes in the registry: give /);
});

t.test('one node that can be used is enough, also a later one', async (t) => {
  const { beat, open } = await setUp(t);
  await beat(entryOf('a'), 'another secret');
  await beat(entryOf('b', { endpoints: [] }));
  const { stateNow, ignored } = await open();
  t.equal(await stateNow(), 'waiting');
  t.same([ignored('unsigned'), ignored('unreachable')], [1, 1]);
  await beat(entryOf('c'));
  t.equal(await stateNow(), 'ready');
  t.same([ignored('unsigned'), ignored('unreachable')], [1, 1], 'as long as they are there');
});

t.test(
  'nodes that are all out of reach keep an edge from being ready, and it says so',
  async (t) => {
    const { beat, open, pass } = await setUp(t);
    const tcp = [{ tcp: '10.0.0.1:9000', name: 'floodgate://node/a' }];
    await beat(entryOf('a', { endpoints: tcp }));
    await beat(entryOf('b', { endpoints: [{ unix: '/run/n.sock', dir_id: 'elsewhere' }] }));
    const { stateNow } = await open();
    pass(7999);
    t.equal(await stateNow(), 'waiting', 'its own may just be starting');
    pass(1);
    t.match(
      await stateNow(),
      /^none of the 2 nodes in the registry can be reached from here: .*TLS/,
    );
  },
);

t.test('entries that expire are waited for, and a running edge stays what it is', async (t) => {
  const { admin, beat, open, pass } = await setUp(t);
  await beat(entryOf('a'), 'another secret');
  const { stateNow } = await open();
  t.equal(await stateNow(), 'waiting');
  await admin.del('{nodes}:seen');
  t.equal(await stateNow(), 'ready', 'an empty registry is no contradiction');
  await beat(entryOf('a'), 'another secret');
  pass(60_000);
  t.equal(await stateNow(), 'ready');
});

t.test('a registry that may not be read is said with its cause', async (t) => {
  const { lines, open, pass } = await setUp(t, 'narrow:pw@');
  const { stateNow } = await open();
  t.equal(await stateNow(), 'waiting');
  t.match(lines, [{ text: /registry lost/, err: { cause: { message: /NOPERM/ } } }]);
  pass(8000);
  t.match(await stateNow(), /^the node registry cannot be read \(.*NOPERM.*ZRANGEBYSCORE/);
  t.equal(lines.length, 1, 'once');
});

t.test('each change of the membership is one line', async (t) => {
  const { admin, beat, lines, open } = await setUp(t);
  const { stateNow } = await open();
  await stateNow();
  await beat(entryOf('a'));
  await stateNow();
  await beat(entryOf('b'));
  await stateNow();
  await beat(entryOf('a', { draining: true }));
  await stateNow();
  await stateNow();
  await admin.zrem('{nodes}:seen', 'a');
  await stateNow();
  const text = 'nodes have changed';
  t.strictSame(lines, [
    { joined: ['a'], nodes: 1, text },
    { joined: ['b'], nodes: 2, text },
    { draining: ['a'], nodes: 2, text },
    { left: ['a'], nodes: 1, text },
  ]);
});
