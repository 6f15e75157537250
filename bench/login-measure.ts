/**
 * The measuring behind the login bench: the whole system at saturation (closed loop, distinct users,
 * every limit, session and signature on) against the loop inside the same kind of threads, with
 * everything on two shared cores and with the hash threads alone on one of them.
 */
import { availableParallelism } from 'node:os';
import type { ClosedLoopCalls, Slice } from './closed-loop.js';
import { cpuTime, type Layout, place } from './cpu.js';
import { type Fleet, startFleet } from './fleet.js';
import type { LoopCalls } from './loop.js';
import { createMeter, mapParts, type Parts } from './meter.js';
import { besideNeighbours } from './neighbours.js';
import { type Peer, startPeer } from './peer.js';
import type { Options } from './report.js';
import { type Comparison, compare } from './slices.js';
import { percentile } from './stats.js';
import { createUsers, loginRequests, type Users } from './users.js';

/** Enough that the queue never runs dry, little enough that admission refuses nobody. */
const connectionsPerSlot = 2.5;
export const connectionsOf = (slots: number): number => Math.round(connectionsPerSlot * slots);
export const span = { settleMs: 100, windowMs: 1000 };
export const sizes = {
  /** At 200 logins/s each account stays far below its 60 a minute. */
  users: 1500,
  /** A crowd warms the code of the edges up; new nodes are warm after fewer logins. */
  warmUpMs: { edges: 60_000, nodes: 8000 },
};

type Rig = { fleet: Fleet; users: Users; load: Peer<ClosedLoopCalls>; options: Options };
/** The rig with so many nodes, and the loop with as many threads as they have. */
type Stand = Rig & { nodes: number; slots: number; loop: Peer<LoopCalls> };
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

const threadsFor = (nodes: number): number =>
  Math.max(1, Math.floor(availableParallelism() / nodes));

const openRig = async (options: Options, userCount: number): Promise<Rig> => {
  const nodes = options.nodes[0] ?? 1;
  options.progress('starting');
  const { profile } = options;
  const fleet = await startFleet({ nodes, threadsPerNode: threadsFor(nodes), profile });
  const load = startPeer<ClosedLoopCalls>('closed-loop.ts');
  try {
    options.progress(`creating ${userCount} users`);
    const users = await createUsers(fleet, userCount);
    const target = { host: '127.0.0.1', port: fleet.port };
    await load.ask('aim', { target, requests: loginRequests(users) });
    return { fleet, users, load, options };
  } catch (error) {
    await Promise.all([load.stop(), fleet.stop()]);
    throw error;
  }
};

const closeRig = async ({ fleet, load }: Rig) => {
  await load.stop();
  await fleet.stop();
};

const pidsOf = ({ fleet, load, loop }: Stand): number[] => [
  ...fleet.processes().map(({ pid }) => pid),
  load.pid,
  loop.pid,
];

const signIn = (stand: Stand, settleMs: number, windowMs: number) =>
  stand.load.ask('closed', { connections: connectionsOf(stand.slots), settleMs, windowMs });

const describeFailures = ({ statuses }: Slice): string =>
  Object.entries(statuses)
    .map(([status, count]) => `${count} × ${status}`)
    .join(', ');

const warmUp = async (stand: Stand, ms: number) => {
  stand.options.progress(`${stand.nodes} node(s): warming up for ${ms / 1000} s`);
  const slice = await signIn(stand, 0, ms);
  if (slice.rate === 0) throw new Error(`no login succeeds: ${describeFailures(slice)}`);
};

const sum = <T>(items: readonly T[], pick: (item: T) => number): number =>
  items.reduce((total, item) => total + pick(item), 0);

const comparePlaced = async (stand: Stand, layout: Layout): Promise<LayoutResult> => {
  const { fleet, load, loop, options, nodes } = stand;
  const meter = createMeter([...fleet.processes(), { kind: 'load', pid: load.pid }]);
  place(pidsOf(stand), layout);
  const comparison = await compare<SystemSlice, LoopSlice>({
    ...besideNeighbours(pidsOf(stand), options, `${nodes} node(s), ${layout}`),
    a: async () => {
      const before = meter();
      const { rate, sent, failed } = await signIn(stand, span.settleMs, span.windowMs);
      return { rate, done: sent - failed, failed, cpu: meter(before) };
    },
    b: async () => {
      const before = cpuTime(loop.pid).hashMs;
      const slice = await loop.ask('slice', span);
      return { ...slice, cpuMs: cpuTime(loop.pid).hashMs - before };
    },
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

const measureStand = async (stand: Stand, its: typeof sizes): Promise<LoginResult> => {
  const { nodes, slots, options } = stand;
  await warmUp(stand, its.warmUpMs.nodes);
  options.progress(`${nodes} node(s): ${options.durationSeconds} s at saturation`);
  const run = await signIn(stand, 0, options.durationSeconds * 1000);
  const shared = await comparePlaced(stand, 'shared');
  const isolated = await comparePlaced(stand, 'isolated');
  place(pidsOf(stand), 'shared');
  return {
    nodes,
    slots,
    perSecond: run.rate,
    p50Ms: percentile(run.latencies, 0.5),
    p99Ms: percentile(run.latencies, 0.99),
    failed: run.failed + shared.failed + isolated.failed,
    shared,
    isolated,
  };
};

/** One gateway for all node counts, so that its edges are warm once; nodes are exchanged. */
export const measureLogins = async (options: Options, its = sizes): Promise<LoginResult[]> => {
  const rig = await openRig(options, its.users);
  const results: LoginResult[] = [];
  try {
    for (const nodes of options.nodes) {
      const isFirst = results.length === 0;
      const slots = nodes * threadsFor(nodes);
      if (!isFirst) await rig.fleet.setNodes(nodes, threadsFor(nodes));
      const stand = { ...rig, nodes, slots, loop: startPeer<LoopCalls>('loop.ts') };
      const { hash, password } = rig.users;
      try {
        await stand.loop.ask('prepare', { threads: slots, hash, password });
        if (isFirst) await warmUp(stand, its.warmUpMs.edges);
        results.push(await measureStand(stand, its));
      } finally {
        await stand.loop.stop();
      }
    }
    return results;
  } finally {
    await closeRig(rig);
  }
};
