import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { createLog } from '../../shared/log.js';
import { openEntry } from '../../shared/protocol.js';
import { connectRedis } from '../../shared/redis.js';
import { whenReady } from '../../shared/redis-calls.js';
import { startRedis } from '../../shared/test/redis-server.js';
import { openEndpoint } from '../endpoint.js';
import { createHeartbeat } from '../heartbeat.js';
import { makeRuntimeDir, newId } from './node.js';

const log = createLog({ level: 'silent', role: 'test' });
const redis = await startRedis(t);
const client = connectRedis({ url: redis.url, name: 'test', log });
t.teardown(() => client.disconnect());
await whenReady(client, 2000);

type Logs = Parameters<typeof createHeartbeat>[0]['log'];

const createBeat = (id: string, url = redis.url, itsLog: Logs = log) => {
  const own = connectRedis({ url, name: 'beat', log });
  t.teardown(() => own.disconnect());
  const endpoints = [{ unix: '/run/n.sock', dir_id: 'd' }];
  const entry = { id, boot_id: newId(), endpoints, slots: 2, version: '1', zone: 'z' };
  const beat = createHeartbeat({ redis: own, secret: 'first', entry, log: itsLog });
  return { entry, own, beat: { ...beat, enter: () => beat.enter(endpoints) } };
};

const read = async (id: string) =>
  openEntry(['first'], (await client.hget('{nodes}:entries', id)) ?? '');

t.test('a node enters, is renewed, drains and leaves', async (t) => {
  const { entry, own, beat } = createBeat('one');
  await whenReady(own, 2000);
  await beat.enter();
  t.same(await read('one'), { ...entry, draining: false });
  const seenAt = Number(await client.zscore('{nodes}:seen', 'one'));
  t.ok(Math.abs(seenAt - Date.now()) < 1000, 'by the clock of the server');
  beat.start();
  await sleep(1150);
  t.ok(Number(await client.zscore('{nodes}:seen', 'one')) > seenAt);
  t.equal(await beat.setDraining(true), true);
  t.equal((await read('one'))?.draining, true);
  await beat.leave();
  t.equal(await client.zscore('{nodes}:seen', 'one'), null);
  t.equal(await client.hexists('{nodes}:entries', 'one'), 0);
});

t.test('a Redis that is full removes nobody', async (t) => {
  const server = await startRedis(t);
  const full = connectRedis({ url: server.url, name: 'test', log });
  t.teardown(() => full.disconnect());
  await whenReady(full, 2000);
  const pair = ['left', 'right'].map((id) => createBeat(id, server.url));
  for (const { own, beat } of pair) {
    await whenReady(own, 2000);
    await beat.enter();
  }
  // Both are over, and nothing may be written from now on.
  await full
    .multi()
    .zadd('{nodes}:seen', 1, 'left', 1, 'right')
    .config('SET', 'maxmemory', '1')
    .exec();
  for (const { beat } of pair) beat.start();
  await sleep(1500);
  t.same((await full.hkeys('{nodes}:entries')).sort(), ['left', 'right']);
  await full.config('SET', 'maxmemory', '0');
  const isBack = async (id: string) => Number(await full.zscore('{nodes}:seen', id)) > 1;
  while (!((await isBack('left')) && (await isBack('right')))) await sleep(20);
  for (const { beat } of pair) await beat.leave();
});

t.test('leaving does not take out a successor of the same id', async (t) => {
  const before = createBeat('two');
  const after = createBeat('two');
  await Promise.all([whenReady(before.own, 2000), whenReady(after.own, 2000)]);
  await before.beat.enter();
  await after.beat.enter();
  await before.beat.leave();
  t.equal((await read('two'))?.boot_id, after.entry.boot_id);
  await after.beat.leave();
});

t.test('a node that drains beside its successor does not write over it', async (t) => {
  const before = createBeat('again');
  const after = createBeat('again');
  await Promise.all([whenReady(before.own, 2000), whenReady(after.own, 2000)]);
  await before.beat.enter();
  await after.beat.enter();
  t.equal(await before.beat.setDraining(true), true);
  t.same(await read('again'), { ...after.entry, draining: false });
  await before.beat.leave();
  t.same(await read('again'), { ...after.entry, draining: false }, 'nor take it out');
  await after.beat.leave();
});

t.test(
  'nor does it take the place in an emptied registry; its successor is back in it',
  async (t) => {
    const before = createBeat('wiped');
    const after = createBeat('wiped');
    await Promise.all([whenReady(before.own, 2000), whenReady(after.own, 2000)]);
    await before.beat.enter();
    await after.beat.enter();
    await before.beat.setDraining(true);
    await client.del('{nodes}:seen', '{nodes}:entries');
    await before.beat.setDraining(true);
    t.equal(await read('wiped'), undefined);
    await after.beat.setDraining(false);
    t.equal((await read('wiped'))?.boot_id, after.entry.boot_id);
    await after.beat.leave();
  },
);

t.test('who serves takes the place of one that drains', async (t) => {
  const drains = createBeat('both');
  const serves = createBeat('both');
  await Promise.all([whenReady(drains.own, 2000), whenReady(serves.own, 2000)]);
  await serves.beat.enter();
  await drains.beat.enter();
  await drains.beat.setDraining(true);
  await serves.beat.setDraining(false);
  t.equal((await read('both'))?.boot_id, serves.entry.boot_id);
  await serves.beat.leave();
});

t.test('two that live on under one NODE_ID are told of, once', async (t) => {
  const warned: string[] = [];
  const write = { info: () => {}, warn: (_: object, text: string) => void warned.push(text) };
  const before = createBeat('twin', redis.url, write);
  const after = createBeat('twin');
  await Promise.all([whenReady(before.own, 2000), whenReady(after.own, 2000)]);
  await before.beat.enter();
  await after.beat.enter();
  for (let i = 0; i < 29; i++) await before.beat.setDraining(false);
  t.strictSame(warned, [], 'a successor takes its time to start');
  for (let i = 0; i < 29; i++) await before.beat.setDraining(false);
  t.match(warned, [/NODE_ID of its own/]);
  t.equal(warned.length, 1);
  await after.beat.leave();
});

t.test('a node is back in its place when its successor has gone', async (t) => {
  const before = createBeat('back');
  const after = createBeat('back');
  await Promise.all([whenReady(before.own, 2000), whenReady(after.own, 2000)]);
  await before.beat.enter();
  await after.beat.enter();
  await client.zadd('{nodes}:seen', String(Date.now() - 3500), 'back');
  await before.beat.setDraining(false);
  t.equal((await read('back'))?.boot_id, before.entry.boot_id);
  await before.beat.leave();
});

t.test('who has been silent is forgotten by the others', async (t) => {
  const ago = (ms: number) => String(Date.now() - ms);
  await client.zadd('{nodes}:seen', ago(3500), 'dead');
  await client.zadd('{nodes}:seen', ago(1000), 'slow');
  await client.hset('{nodes}:entries', { dead: 'x', slow: 'y' });
  const { own, beat } = createBeat('three');
  await whenReady(own, 2000);
  await beat.enter();
  t.same((await client.hkeys('{nodes}:entries')).sort(), ['slow', 'three']);
  t.same((await client.zrange('{nodes}:seen', '0', '-1')).sort(), ['slow', 'three']);
  await beat.leave();
});

t.test('a lost store is survived', async (t) => {
  const own = await startRedis(t);
  const { own: connection, beat } = createBeat('four', own.url);
  await whenReady(connection, 2000);
  await beat.enter();
  await own.stop('SIGKILL');
  t.equal(await beat.setDraining(false), false);
  beat.start();
  await own.start();
  await sleep(1800);
  const other = connectRedis({ url: own.url, name: 'look', log });
  t.teardown(() => other.disconnect());
  await whenReady(other, 2000);
  t.equal(await other.hexists('{nodes}:entries', 'four'), 1);
  await beat.leave();
});

t.test('the socket directory is private, and has one id', async (t) => {
  const dir = join(makeRuntimeDir(t), 'run');
  const ids = await Promise.all(
    Array.from({ length: 20 }, () => openEndpoint({ dir, nodeId: 'n', bootId: newId() })),
  );
  t.equal(new Set(ids.map(({ dirId }) => dirId)).size, 1);
  t.equal(new Set(ids.map(({ path }) => path)).size, 20);
  t.same(readdirSync(dir), ['dir_id'], 'nothing else is left');
  const open = join(makeRuntimeDir(t), 'open');
  mkdirSync(open, { mode: 0o755 });
  await t.rejects(openEndpoint({ dir: open, nodeId: 'n', bootId: newId() }), /mode 0700/);
  const long = join(makeRuntimeDir(t), 'x'.repeat(80));
  await t.rejects(openEndpoint({ dir: long, nodeId: 'n', bootId: newId() }), /too long/);
});

t.test(
  'sockets of dead predecessors are removed, live ones and those of others stay',
  async (t) => {
    const dir = makeRuntimeDir(t);
    const paths = [];
    for (let i = 0; i < 2; i++)
      paths.push((await openEndpoint({ dir, nodeId: 'n', bootId: newId() })).path);
    const other = await openEndpoint({ dir, nodeId: 'm', bootId: newId() });
    const [dead = '', live = ''] = paths;
    const server = createServer();
    t.teardown(() => server.close());
    await new Promise<void>((resolve) => server.listen(live, resolve));
    // What a killed process leaves: a socket file that nobody listens on.
    const script = `require('net').createServer().listen(process.argv[1],()=>process.kill(process.pid,'SIGKILL'))`;
    for (const path of [dead, other.path]) spawnSync(process.execPath, ['-e', script, path]);
    t.ok(existsSync(dead) && existsSync(other.path));
    await openEndpoint({ dir, nodeId: 'n', bootId: newId() });
    t.equal(existsSync(dead), false);
    t.equal(existsSync(live), true);
    t.equal(existsSync(other.path), true);
  },
);
