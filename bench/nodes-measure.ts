/**
 * The measuring behind the nodes bench: one edge alone on a core, in front of ever more stand-in
 * nodes, once at a low fixed rate and once as fast as it goes. Every count is taken twice, on the way
 * up and on the way down, so that drift shows instead of passing for growth.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { ClosedLoopCalls } from './closed-loop.js';
import { pin, usedMs } from './cpu.js';
import { type Fleet, startFleet } from './fleet.js';
import { createLoad, type Load } from './open/load.js';
import { summarise } from './open/samples.js';
import { type Peer, startPeer } from './peer.js';
import type { Options } from './report.js';
import type { StandInCalls } from './stand-in-node.js';
import { percentile } from './stats.js';
import { createUsers, forwardedLogins } from './users.js';

export const standIn = { slots: 4, serviceMs: 20 };
/** Logins a second that one stand-in node can do. */
export const nodeCapacity = (standIn.slots * 1000) / standIn.serviceMs;
/** The same for every count: six tenths of what one node can do. */
export const lowPerSecond = 0.6 * nodeCapacity;
/** Enough to keep an edge busy. */
const maxConnections = 90;
const settleMs = 500;
const connectionsPerSlot = 3;

/** What a run takes besides the measuring. */
type Pace = {
  users: number;
  warmUpMs: number;
  /** Until edges know of a change. */
  noticedMs: number;
  /** Until they give new nodes their full weight. */
  rampMs: number;
};
export const fullPace: Pace = {
  // At 2,000 logins/s each account stays below its 60 a minute.
  users: 4000,
  warmUpMs: 15_000,
  noticedMs: 1500,
  rampMs: 10_000,
};

export type Run = {
  perSecond: number;
  p50Ms: number;
  p99Ms: number;
  /** With 503: as fast as it goes, the edge may be behind, and says so. */
  refused: number;
  failed: number;
  /** Of the edge, per login that was answered with 200. */
  edgeUs: number;
  /** Share of its core that the edge used. */
  edgeBusy: number;
  /** The same for all other processes, which share the other core. */
  othersBusy: number;
};
/** Both passes of one count. */
export type NodesResult = { nodes: number; low: Run[]; full: Run[] };

type Rig = {
  fleet: Fleet;
  edge: number;
  standIns: Peer<StandInCalls>;
  /** Closed loop and open loop. */
  crowd: Peer<ClosedLoopCalls>;
  load: Load;
  options: Options;
  pace: Pace;
};

const othersOf = ({ fleet, edge, standIns, crowd, load }: Rig): number[] => [
  ...fleet.processes().flatMap(({ pid }) => (pid === edge ? [] : [pid])),
  ...[standIns.pid, crowd.pid, load.pid],
];

/** All CPU milliseconds of the other core's processes. */
const othersMs = (rig: Rig): number => usedMs(othersOf(rig));

const openRig = async (options: Options, pace: Pace): Promise<Rig> => {
  options.progress('starting');
  const { profile } = options;
  const fleet = await startFleet({
    nodes: 0,
    threadsPerNode: 1,
    edges: 1,
    gatewayEnv: { TRUSTED_PROXIES: '127.0.0.1' },
    profile,
  });
  const standIns = startPeer<StandInCalls>('stand-in-node.ts');
  const crowd = startPeer<ClosedLoopCalls>('closed-loop.ts');
  fleet.onStop(standIns.stop);
  fleet.onStop(crowd.stop);
  try {
    await standIns.ask('prepare', { env: fleet.nodeEnv, ...standIn });
    await standIns.ask('setCount', Math.max(...options.nodes));
    await sleep(pace.noticedMs);
    options.progress(`creating ${pace.users} users`);
    const users = await createUsers(fleet, pace.users);
    const target = { host: '127.0.0.1', port: fleet.port };
    const requests = forwardedLogins(users);
    await crowd.ask('aim', { target, requests });
    const load = await createLoad({ target, groups: { all: requests } });
    fleet.onStop(load.stop);
    const edge = fleet.processes().find(({ kind }) => kind === 'edges')?.pid ?? 0;
    const rig = { fleet, edge, standIns, crowd, load, options, pace };
    for (const pid of othersOf(rig)) pin(pid, '1');
    pin(edge, '0');
    return rig;
  } catch (error) {
    await fleet.stop();
    throw error;
  }
};

type Counted = Pick<Run, 'perSecond' | 'p50Ms' | 'p99Ms' | 'refused' | 'failed'> & {
  served: number;
};

const measure = async (rig: Rig, run: () => Promise<Counted>): Promise<Run> => {
  const before = { at: performance.now(), edge: usedMs([rig.edge]), others: othersMs(rig) };
  const { served, ...counted } = await run();
  const tookMs = performance.now() - before.at;
  const edgeMs = usedMs([rig.edge]) - before.edge;
  return {
    ...counted,
    edgeUs: (edgeMs * 1000) / served,
    edgeBusy: edgeMs / tookMs,
    othersBusy: (othersMs(rig) - before.others) / tookMs,
  };
};

/** Open loop at the low rate. */
const arrive = async ({ load }: Rig, windowMs: number): Promise<Counted> => {
  const phases = [{ perSecond: lowPerSecond, durationMs: settleMs + windowMs }];
  const { samples } = await load.run({ phases });
  const { ok } = summarise(samples, { fromMs: 0, toMs: settleMs + windowMs });
  const inside = summarise(samples, { fromMs: settleMs, toMs: settleMs + windowMs });
  const { goodput, p50Ms, p99Ms } = inside;
  // At this rate there is room for all.
  const failed = samples.length - ok;
  return { perSecond: goodput, p50Ms, p99Ms, refused: 0, failed, served: ok };
};

const connectionsFor = (nodes: number): number =>
  Math.min(maxConnections, connectionsPerSlot * standIn.slots * nodes);

const saturate = async ({ crowd }: Rig, nodes: number, windowMs: number): Promise<Counted> => {
  const asked = { connections: connectionsFor(nodes), settleMs: 0, windowMs };
  const { rate, latencies, sent, failed, statuses } = await crowd.ask('closed', asked);
  const refused = statuses[503] ?? 0;
  return {
    perSecond: rate,
    p50Ms: percentile(latencies, 0.5),
    p99Ms: percentile(latencies, 0.99),
    refused,
    failed: failed - refused,
    served: sent - failed,
  };
};

const measureCount = async (rig: Rig, nodes: number): Promise<{ low: Run; full: Run }> => {
  const { options } = rig;
  // Two passes of two runs each.
  const windowMs = (options.durationSeconds * 1000) / 2;
  options.progress(`${nodes} node(s): ${lowPerSecond} logins/s`);
  const low = await measure(rig, () => arrive(rig, windowMs));
  options.progress(`${nodes} node(s): as fast as it goes`);
  const full = await measure(rig, () => saturate(rig, nodes, windowMs));
  return { low, full };
};

/** So many nodes from now on, at full weight and with warm connections. */
const setCount = async (rig: Rig, nodes: number, isMore: boolean) => {
  rig.options.progress(`${nodes} node(s): ${isMore ? 'joining' : 'leaving'}`);
  await rig.standIns.ask('setCount', nodes);
  await sleep(rig.pace.noticedMs);
  await saturate(rig, nodes, isMore ? rig.pace.rampMs : 500);
};

export const measureNodes = async (options: Options, pace = fullPace): Promise<NodesResult[]> => {
  const counts = [...new Set(options.nodes)].sort((a, b) => a - b);
  const results = counts.map((nodes): NodesResult => ({ nodes, low: [], full: [] }));
  const rig = await openRig({ ...options, nodes: counts }, pace);
  try {
    options.progress('warming up');
    await saturate(rig, counts.at(-1) ?? 1, pace.warmUpMs);
    let before = Number.POSITIVE_INFINITY;
    for (const result of [...results, ...[...results].reverse()]) {
      if (result.nodes !== before) await setCount(rig, result.nodes, result.nodes > before);
      before = result.nodes;
      const { low, full } = await measureCount(rig, result.nodes);
      result.low.push(low);
      result.full.push(full);
    }
    return results;
  } finally {
    await rig.fleet.stop();
  }
};
