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
/** Between two faults of nodes, and of lock servers, on average; and how long a node hangs at most. */
export type Pauses = { nodesMs: number; locksMs: number; hangMs: number };

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
  t.teardown(() => {
    isOver = true;
  });
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

  /** By turns, so that a short storm has all of it. A long hang outlives the lock that is held. */
  const hurtNode = async () => {
    const at = below(fleet.nodes.length);
    if (counts.kills <= counts.hangs) return kill(at);
    counts.hangs++;
    await hang(fleet.nodes[at]?.child.pid ?? 0, between(0.1, 1) * pauses.hangMs);
  };

  const hurtLocks = async () => {
    if (counts.lockHangs > 2 * counts.lockRestarts) {
      const server = locks[below(locks.length)];
      counts.lockRestarts++;
      await server?.stop('SIGKILL');
      await server?.start();
      return;
    }
    counts.lockHangs++;
    const first = below(locks.length);
    const count = 1 + below(locks.length);
    const chosen = locks.filter((_, i) => (i - first + locks.length) % locks.length < count);
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
  // Rejected is said by `stop`, however late it comes.
  all.catch(() => {});
  return {
    counts,
    /** Resolves when everything lives again. */
    stop: async () => {
      isOver = true;
      await all;
    },
  };
};
