/**
 * A thousand revocations while one edge hears them, and while another is cut off from the log for ten
 * seconds: at no moment does an edge say "ok" that should not, by the rule of VERIFY_ON_STORE_LOSS.
 */
import { connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { connectRedis } from '../../../shared/redis.js';
import { startRedis, type TestRedis } from '../../../shared/test/redis-server.js';
import { createRevocations } from '../../tokens/revocations.js';
import { openClient, quiet, until } from '../store.js';

type Test = Parameters<typeof openClient>[0];

const count = 1000;
const cutMs = 10_000;
const idOf = (n: number) => `s${n}`;
const claims = (id: string) => ({ sid: id, u: id, gen: 1, jti: id, kid: id });

/** A way to the server that can be cut: connections end, new ones are refused. */
const openWay = async (t: Test, server: TestRedis) => {
  const path = join(server.dir, 'way.sock');
  const open = new Set<Socket>();
  let isCut = false;
  const proxy = createServer((socket) => {
    if (isCut) return void socket.destroy();
    const there = connect(server.socket);
    for (const [from, to] of [[socket, there] as const, [there, socket] as const]) {
      open.add(from);
      from.pipe(to);
      from.on('error', () => {});
      from.on('close', () => {
        open.delete(from);
        to.destroy();
      });
    }
  });
  await new Promise<void>((resolve) => proxy.listen(path, resolve));
  t.teardown(() => {
    for (const socket of open) socket.destroy();
    proxy.close();
  });
  return {
    url: server.url.replace(server.socket, path),
    cut: () => {
      isCut = true;
      for (const socket of open) socket.destroy();
    },
    mend: () => {
      isCut = false;
    },
  };
};

const openEdge = async (t: Test, server: TestRedis, url: string, staleMs: number) => {
  const redis = await openClient(t, server);
  const make = () => connectRedis({ url, name: 'log', log: quiet, blocking: true });
  const log = createRevocations({ redis, connect: make, log: quiet, staleMs });
  t.teardown(log.close);
  await log.ready();
  return { ...log, saw: (n: number) => log.check(claims(idOf(n))) };
};

t.test('1,000 revocations, one edge cut off for ten seconds', async (t) => {
  const server = await startRedis(t);
  const way = await openWay(t, server);
  const near = await openEdge(t, server, server.url, 30_000);
  const patient = await openEdge(t, server, way.url, 30_000);
  const strict = await openEdge(t, server, way.url, 1000);
  const publisher = await openEdge(t, server, server.url, 30_000);

  way.cut();
  t.ok(await until(() => strict.saw(0) === 'unknown', 3000), 'the rule: nobody can say');
  t.equal(patient.saw(0), 'ok', 'the rule: 30 s of what was known');
  const latencies: number[] = [];
  for (let n = 0; n < count; n++) {
    await publisher.publish({ kind: 'session', id: idOf(n) });
    const from = performance.now();
    while (near.saw(n) !== 'ended') await new Promise((resolve) => setImmediate(resolve));
    latencies.push(performance.now() - from);
    if (strict.saw(n) === 'ok') t.fail(`${n} is good again at the edge that cannot know`);
    if (n % 10 === 0) await sleep(cutMs / (count / 10));
  }
  latencies.sort((a, b) => a - b);
  t.comment(`visible after ${latencies[989]?.toFixed(1)} ms (p99)`);
  t.equal(strict.saw(count), 'unknown');

  way.mend();
  // The moment it answers at all, it knows everything.
  let isBack = false;
  for (let tries = 0; tries < 20_000 && !isBack; tries++) {
    for (let n = 0; n < count; n++) if (strict.saw(n) === 'ok') t.fail(`${n} was accepted`);
    isBack = strict.saw(count) === 'ok';
    await new Promise((resolve) => setImmediate(resolve));
  }
  t.ok(await until(() => strict.saw(count) === 'ok', 5000));
  t.ok(await until(() => patient.stats().entries === count, 5000));
  for (const edge of [patient, strict])
    for (let n = 0; n < count; n++) if (edge.saw(n) !== 'ended') t.fail(`${n} is not ended`);
});
