/**
 * What goes wrong while users are migrated, until it is told to end: nodes die and hang, lock servers
 * hang and restart, and locks vanish under those who hold them. Counts what it did.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Test } from 'tap';
import { connectRedis } from '../../../shared/redis.js';
import type { TestRedis } from '../../../shared/test/redis-server.js';
import type { Fleet } from './fleet.js';
import { quiet } from './migration-records.js';

export type Faults = ReturnType<typeof startFaults>;
/** Between two faults of nodes, and of lock servers, on average. */
type Pauses = { nodesMs: number; locksMs: number };

const below = (n: number): number => Math.floor(Math.random() * n);
const between = (from: number, to: number): number => from + Math.random() * (to - from);

/** One that is gone already is no fault. */
const signal = (pid: number, name: NodeJS.Signals) => {
  try {
    if (pid > 0) process.kill(pid, name);
  } catch {}
};

/** Stopped, and after a while it goes on as if nothing had been. */
const hang = async (pid: number, ms: number) => {
  signal(pid, 'SIGSTOP');
  await sleep(ms);
  signal(pid, 'SIGCONT');
};

export const startFaults = (t: Test, fleet: Fleet, locks: readonly TestRedis[], pauses: Pauses) => {
  const counts = { kills: 0, hangs: 0, lockHangs: 0, lockRestarts: 0, locksExpired: 0 };
  let isOver = false;
  const repeat = async (meanMs: number, act: () => Promise<void>) => {
    while (!isOver) {
      await sleep(between(0.5, 1.5) * meanMs);
      if (!isOver) await act();
    }
  };

  const kill = async (at: number) => {
    counts.kills++;
    fleet.nodes[at]?.child.kill('SIGKILL');
    await fleet.nodes[at]?.exited;
    await fleet.restartNode(at);
  };

  const hurtNode = async () => {
    const at = below(fleet.nodes.length);
    if (Math.random() < 0.5) return kill(at);
    counts.hangs++;
    // Longer than a lock lives at most: whoever held it wakes up without it.
    await hang(fleet.nodes[at]?.child.pid ?? 0, between(200, 5000));
  };

  const hurtLocks = async () => {
    if (Math.random() < 0.3) {
      const server = locks[below(locks.length)];
      counts.lockRestarts++;
      await server?.stop('SIGKILL');
      await server?.start();
      return;
    }
    counts.lockHangs++;
    const first = below(locks.length);
    const chosen = locks.filter((_, i) => (i - first + locks.length) % locks.length <= below(3));
    await Promise.all(chosen.map((server) => hang(server.pid(), between(100, 1500))));
  };

  const clients = locks.map(({ url }) => {
    const client = connectRedis({ url, name: 'expire', log: quiet, commandTimeoutMs: 500 });
    t.teardown(() => client.disconnect());
    return client;
  });
  const expireAt = async (client: (typeof clients)[number]) => {
    const keys = await client.keys('migrate:*');
    if (keys.length > 0) counts.locksExpired += await client.del(...keys);
  };
  /** A server that hangs just now keeps its own. */
  const expireLocks = async () => {
    await Promise.allSettled(clients.map(expireAt));
  };

  const all = Promise.all([
    repeat(pauses.nodesMs, hurtNode),
    repeat(pauses.locksMs, hurtLocks),
    repeat(30, expireLocks),
  ]);
  return {
    counts,
    /** Resolves when everything lives again. */
    stop: async () => {
      isOver = true;
      await all;
    },
  };
};
