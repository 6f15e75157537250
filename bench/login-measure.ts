/**
 * The measuring behind the login bench: the whole system at saturation (closed loop, distinct users,
 * every limit, session and signature on) against the loop inside the same kind of threads, with
 * everything on two shared cores and with the hash threads alone on one of them.
 */
import { availableParallelism } from 'node:os';
import { cpuTime, type Layout, place } from './cpu.js';
import { type Fleet, startFleet } from './fleet.js';
import type { LoadCalls, Slice } from './load.js';
import type { LoopCalls } from './loop.js';
import { createMeter, type Meter, mapParts, type Parts } from './meter.js';
import { createWatch } from './neighbours.js';
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
type SystemSlice = { rate: number; done: number; failed: number; cpu: Parts };
type LoopSlice = { rate: number; done: number; cpuMs: number };
export type LayoutResult = {
  comparison: Comparison<SystemSlice, LoopSlice>;
  failed: number;
  /** Per login, in the slices of the comparison. */
  cpuMs: Parts;
  /** Per hash of the loop, in its slices between them. */
  loopCpuMs: number;
};
export type LoginResult = {
  nodes: number;
  slots: number;
  perSecond: number;
  p50Ms: number;
  p99Ms: number;
  failed: number;
  shared: LayoutResult;
  isolated: LayoutResult;
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

const systemSlice = async (rig: Rig): Promise<SystemSlice> => {
  const before = rig.meter();
  const { rate, sent, failed } = await signIn(rig, span);
  return { rate, done: sent - failed, failed, cpu: rig.meter(before) };
};

const loopSlice = async ({ loop }: Rig): Promise<LoopSlice> => {
  const before = cpuTime(loop.pid).hashMs;
  const slice = await loop.ask('slice', span);
  return { ...slice, cpuMs: cpuTime(loop.pid).hashMs - before };
};

const sum = <T>(items: readonly T[], pick: (item: T) => number): number =>
  items.reduce((total, item) => total + pick(item), 0);

const comparePlaced = async (
  rig: Rig,
  layout: Layout,
  onPair: (done: number) => void,
  pairs: number,
): Promise<LayoutResult> => {
  const all = [...rig.fleet.processes.map(({ pid }) => pid), rig.load.pid, rig.loop.pid];
  place(all, layout);
  const comparison = await compare({
    watch: createWatch(all),
    pairs,
    a: () => systemSlice(rig),
    b: () => loopSlice(rig),
    onPair,
  });
  const { a, b } = comparison;
  const logins = sum(a, ({ done }) => done);
  return {
    comparison,
    failed: sum(a, ({ failed }) => failed),
    cpuMs: mapParts((part) => sum(a, ({ cpu }) => cpu[part]) / logins),
    loopCpuMs: sum(b, ({ cpuMs }) => cpuMs) / sum(b, ({ done }) => done),
  };
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
    const run = await signIn(rig, { settleMs: 0, windowMs: options.durationSeconds * 1000 });
    const { pairs } = options;
    const compareIn = (layout: Layout) => {
      const onPair = (done: number) =>
        options.progress(`${label}, ${layout}: pair ${done} of ${pairs}`);
      return comparePlaced(rig, layout, onPair, pairs);
    };
    const shared = await compareIn('shared');
    const isolated = await compareIn('isolated');
    return {
      nodes,
      slots: rig.slots,
      perSecond: run.rate,
      p50Ms: percentile(run.latencies, 0.5),
      p99Ms: percentile(run.latencies, 0.99),
      failed: warm.failed + run.failed + shared.failed + isolated.failed,
      shared,
      isolated,
    };
  } finally {
    await closeRig(rig);
  }
};
