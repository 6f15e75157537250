/**
 * The measuring behind the login bench: the whole system at saturation (closed loop, distinct users,
 * every limit, session and signature on) against the loop inside the same kind of threads, with
 * everything on two shared cores and with the hash threads alone on one of them.
 */
import { availableParallelism } from 'node:os';
import { type Layout, place } from './cpu.js';
import { type Fleet, startFleet } from './fleet.js';
import type { LoadCalls, Slice } from './load.js';
import type { LoopCalls } from './loop.js';
import { createMeter, type Meter, type Parts } from './meter.js';
import { type Peer, startPeer } from './peer.js';
import type { Options } from './report.js';
import { type Comparison, compare } from './slices.js';
import { percentile } from './stats.js';
import { createUsers, loginRequests, type Users } from './users.js';

/** Enough that the queue never runs dry, little enough that admission refuses nobody. */
export const connectionsPerSlot = 3;
/** At 200 logins/s each account stays far below its 60 a minute. */
export const userCount = 1500;
export const span = { settleMs: 100, windowMs: 1000 };
const warmUpMs = 6000;

type Rig = {
  fleet: Fleet;
  users: Users;
  load: Peer<LoadCalls>;
  loop: Peer<LoopCalls>;
  meter: Meter;
  slots: number;
};
export type LoginResult = {
  nodes: number;
  slots: number;
  perSecond: number;
  p50Ms: number;
  p99Ms: number;
  failed: number;
  cpuMs: Parts;
  shared: Comparison<{ rate: number }, { rate: number }>;
  isolated: Comparison<{ rate: number }, { rate: number }>;
};

const openRig = async (nodes: number, options: Options): Promise<Rig> => {
  const threadsPerNode = Math.max(1, Math.floor(availableParallelism() / nodes));
  const slots = nodes * threadsPerNode;
  const { profile } = options;
  options.progress(`${nodes} node(s): starting`);
  const fleet = await startFleet({ nodes, threadsPerNode, ...(profile ? { profile } : {}) });
  const load = startPeer<LoadCalls>('load.ts');
  const loop = startPeer<LoopCalls>('loop.ts');
  try {
    options.progress(`${nodes} node(s): creating ${userCount} users`);
    const users = await createUsers(fleet, userCount);
    const target = { host: '127.0.0.1', port: fleet.port };
    await load.ask('aim', { target, requests: loginRequests(users) });
    await loop.ask('prepare', { threads: slots, hash: users.hash, password: users.password });
    const meter = createMeter([...fleet.processes, { kind: 'load', pid: load.pid }]);
    return { fleet, users, load, loop, meter, slots };
  } catch (error) {
    await Promise.all([load.stop(), loop.stop(), fleet.stop()]);
    throw error;
  }
};

const closeRig = async ({ fleet, load, loop }: Rig) => {
  await Promise.all([load.stop(), loop.stop()]);
  await fleet.stop();
};

const signIn = ({ load, slots }: Rig, time: { settleMs: number; windowMs: number }) =>
  load.ask('closed', { connections: connectionsPerSlot * slots, ...time });

const comparePlaced = async (rig: Rig, layout: Layout, options: Options, label: string) => {
  const all = [...rig.fleet.processes.map(({ pid }) => pid), rig.load.pid, rig.loop.pid];
  place(all, layout);
  let failed = 0;
  const comparison = await compare({
    pairs: options.pairs,
    a: async () => {
      const slice = await signIn(rig, span);
      failed += slice.failed;
      return { rate: slice.rate };
    },
    b: () => rig.loop.ask('slice', span),
    onPair: (done) => options.progress(`${label}, ${layout}: pair ${done} of ${options.pairs}`),
  });
  return { comparison, failed };
};

const describeFailures = ({ statuses }: Slice): string =>
  Object.entries(statuses)
    .map(([status, count]) => `${count} × ${status}`)
    .join(', ');

export const measureLogin = async (nodes: number, options: Options): Promise<LoginResult> => {
  const label = `${nodes} node(s)`;
  const rig = await openRig(nodes, options);
  try {
    options.progress(`${label}: warming up`);
    const warm = await signIn(rig, { settleMs: 0, windowMs: warmUpMs });
    if (warm.rate === 0) throw new Error(`no login succeeds: ${describeFailures(warm)}`);
    options.progress(`${label}: ${options.durationSeconds} s at saturation`);
    const before = rig.meter();
    const run = await signIn(rig, { settleMs: 0, windowMs: options.durationSeconds * 1000 });
    const cpuMs = rig.meter(before, run.sent);
    const shared = await comparePlaced(rig, 'shared', options, label);
    const isolated = await comparePlaced(rig, 'isolated', options, label);
    return {
      nodes,
      slots: rig.slots,
      perSecond: run.rate,
      p50Ms: percentile(run.latencies, 0.5),
      p99Ms: percentile(run.latencies, 0.99),
      failed: warm.failed + run.failed + shared.failed + isolated.failed,
      cpuMs,
      shared: shared.comparison,
      isolated: isolated.comparison,
    };
  } finally {
    await closeRig(rig);
  }
};
