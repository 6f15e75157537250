/** The nodes part of an edge, whole, over fake nodes: what submit and faults are tested with. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Test } from 'tap';
import { codeOf } from '../../../shared/errors.js';
import { createMetrics } from '../../../shared/metrics.js';
import { type NodeEntry, signEntry } from '../../../shared/protocol.js';
import { connectRedis, quitRedis } from '../../../shared/redis.js';
import { whenReady } from '../../../shared/redis-calls.js';
import type { TestRedis } from '../../../shared/test/redis-server.js';
import { createNodes, type Job } from '../../nodes/nodes.js';
import { type Handler, secret, startNode } from './fake-node.js';

const log = { info: () => {}, warn: () => {} };
let attempts = 0;

/** An edge's nodes over fake ones on real sockets, found through a real registry. */
export const setUp = async (t: Test, server: TestRedis, ids: string[], handler?: Handler) => {
  const runtimeDir = mkdtempSync(join(tmpdir(), 'fg-run-'));
  writeFileSync(join(runtimeDir, 'dir_id'), 'dir');
  const redis = connectRedis({ url: server.url, name: 'test', log });
  await whenReady(redis, 2000);
  await redis.flushall();
  const pathOf = (id: string) => join(runtimeDir, `${id}.sock`);

  const beat = async (id: string, changes: Partial<NodeEntry> = {}) => {
    const endpoints = [{ unix: pathOf(id), dir_id: 'dir' }];
    const base = { boot_id: 'boot-1', slots: 2, version: '', zone: '', draining: false };
    const entry = { id, endpoints, ...base, ...changes };
    const [seconds = 0] = (await redis.time()).map(Number);
    // Far ahead, so that no heartbeat is needed.
    await redis.zadd('{nodes}:seen', seconds * 1000 + 3_600_000, id);
    await redis.hset('{nodes}:entries', id, signEntry(secret, entry));
  };
  const start = (id: string, options: { bootId?: string; strict?: boolean } = {}) =>
    startNode(t, { path: pathOf(id), ...options, ...(handler ? { handler } : {}) });

  const fakes = new Map<string, Awaited<ReturnType<typeof start>>>();
  for (const id of ids) {
    fakes.set(id, await start(id));
    await beat(id);
  }
  const metrics = createMetrics({ defaults: false });
  const nodes = createNodes({ redis, secrets: [secret], runtimeDir, zone: 'z', log, metrics });
  t.teardown(async () => {
    nodes.close();
    await quitRedis(redis);
    rmSync(runtimeDir, { recursive: true, force: true });
  });
  nodes.watchState(metrics);
  await nodes.ready();
  const fake = (id: string) => {
    const found = fakes.get(id);
    if (found === undefined) throw new Error(`no fake ${id}`);
    return found;
  };
  /** Until `isSo`, at most 5 s. */
  const until = async (isSo: () => boolean) => {
    for (let i = 0; i < 250 && !isSo(); i++) await sleep(20);
    if (!isSo()) throw new Error('it does not become so');
  };
  const stateOf = (id: string) => nodes.snapshot().find((node) => node.id === id);
  return { nodes, redis, metrics, beat, start, fake, until, stateOf, pathOf };
};

export const job = (changes: Partial<Job> = {}): Job => ({
  route: '/login',
  u: `user${++attempts}`,
  attemptId: `attempt-${attempts}`,
  class: 'login',
  body: { u: 'x', password: 'p' },
  deadlineAt: performance.now() + 2500,
  requestId: 'request-1',
  ...changes,
});

type Nodes = Awaited<ReturnType<typeof setUp>>['nodes'];
export const codeFrom = (nodes: Nodes, changes: Partial<Job> = {}): Promise<string> =>
  nodes.submit(job(changes)).then((verdict) => verdict.outcome, codeOf);

/** Runs n logins, `gapMs` apart, and counts how they ended. */
export const flood = async (
  nodes: Nodes,
  n: number,
  gapMs: number,
): Promise<Record<string, number>> => {
  const running: Promise<string>[] = [];
  for (let i = 0; i < n; i++) {
    running.push(codeFrom(nodes));
    await sleep(gapMs);
  }
  const counts: Record<string, number> = {};
  for (const code of await Promise.all(running)) counts[code] = (counts[code] ?? 0) + 1;
  return counts;
};
