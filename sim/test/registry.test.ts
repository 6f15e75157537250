/** What stands for the registry, step by step beside the real one and a Redis. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { createRegistry } from '../../gateway/nodes/registry.js';
import { signEntry } from '../../shared/protocol.js';
import { connectRedis, quitRedis } from '../../shared/redis.js';
import { whenReady } from '../../shared/redis-calls.js';
import { startRedis } from '../../shared/test/redis-server.js';
import { createMembership, createStore } from '../registry.js';

const secret = 'the secret of the cluster';
const log = { info: () => {}, warn: () => {} };

const entryOf = (id: string, draining: boolean) =>
  signEntry(secret, {
    ...{ id, boot_id: 'boot', slots: 2, version: '0.1.0', zone: '', draining },
    endpoints: [{ unix: `/elsewhere/${id}.sock`, dir_id: 'this directory' }],
  });

const setUp = async (t: Test) => {
  const server = await startRedis(t);
  const runtimeDir = mkdtempSync(join(tmpdir(), 'fg-run-'));
  writeFileSync(join(runtimeDir, 'dir_id'), 'this directory\n');
  const redis = connectRedis({ url: server.url, name: 'test', log });
  await whenReady(redis, 2000);
  let clock = 0;
  const now = () => clock;
  const given = { redis, secrets: [secret], runtimeDir, log, now };
  const registry = createRegistry(given);
  t.teardown(async () => {
    registry.close();
    await quitRedis(redis);
    rmSync(runtimeDir, { recursive: true });
  });

  const store = createStore<boolean>(now);
  const members = createMembership({ read: store.read, isDraining: (isSo) => isSo, now });
  const beaten = new Map<string, { at: number; draining: boolean }>();

  /** The entries are as old on the server's clock as they are on ours. */
  const enter = async () => {
    const [seconds = 0, micros = 0] = (await redis.time()).map(Number);
    for (const [id, { at, draining }] of beaten) {
      await redis.zadd('{nodes}:seen', seconds * 1000 + micros / 1000 + at - clock, id);
      await redis.hset('{nodes}:entries', id, entryOf(id, draining));
    }
  };
  let isFrozen = false;
  return {
    pass: (ms: number) => {
      clock += ms;
    },
    /** Nodes by letters. */
    beat: (ids: string, draining = false) => {
      for (const id of ids) {
        if (!isFrozen) beaten.set(id, { at: clock, draining });
        store.beat(id, draining);
      }
    },
    freeze: async (isSo: boolean) => {
      isFrozen = isSo;
      store.freeze(isSo);
      if (isSo) return server.stop('SIGKILL');
      await server.start();
      await whenReady(redis, 3000);
    },
    expect: async (expected: string, why: string) => {
      if (!isFrozen) await enter();
      // The first may be one that had begun before.
      await registry.refresh();
      await registry.refresh();
      const real = registry.members().map(({ entry }) => entry.id);
      t.equal(real.toSorted().join(''), expected, `the real one: ${why}`);
      t.equal([...members().keys()].toSorted().join(''), expected, `ours: ${why}`);
    },
  };
};

t.test('the same members as the real one, whatever the store says', async (t) => {
  const { pass, beat, freeze, expect } = await setUp(t);
  beat('abcdef');
  await expect('abcdef', 'all are there');
  pass(2500);
  beat('abcd');
  await expect('abcdef', 'two are late');
  pass(1000);
  await expect('abcd', 'two are gone');

  await freeze(true);
  pass(60_000);
  await expect('abcd', 'the store is silent');
  await freeze(false);
  await expect('abcd', 'it is back and names nobody');
  pass(500);
  beat('a');
  await expect('abcd', 'it names the first');
  pass(500);
  beat('bc');
  await expect('abcd', 'and others');
  pass(2500);
  beat('abc');
  await expect('abc', 'who does not come back is gone, one lifetime after');

  pass(4000);
  beat('a');
  await expect('abc', 'most go at once, and stay');
  pass(2800);
  beat('a');
  await expect('abc', 'for one lifetime');
  pass(400);
  await expect('a', 'and no longer');
  beat('a', true);
  await expect('a', 'the last one says that it will go');
  pass(4000);
  await expect('', 'and has gone');
});
