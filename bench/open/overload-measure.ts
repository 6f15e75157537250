/**
 * The measuring behind the overload bench: Poisson arrivals at multiples of the capacity that a
 * closed loop showed just before and just after, then ten seconds of five times the capacity with
 * clients that come back, and the same without them. The machine's speed drifts, so every round of a level has its own capacity.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { cpuTime, type Layout, place, usedMs } from '../cpu.js';
import { createWatch } from '../neighbours.js';
import type { Options } from '../report.js';
import { median } from '../stats.js';
import { type Burst, measureBurst } from './burst-measure.js';
import type { Sample } from './generator.js';
import { settleMs as loopSettleMs } from './load.js';
import { attemptsPerRequest, growth, type Metrics, readMetrics, total } from './metrics.js';
import { closeRig, measureCapacity, openRig, pidsOf, type Rig } from './rig.js';
import { isRefused, isServed, type Summary, summarise, type Window, within } from './samples.js';

const layouts: Layout[] = ['isolated', 'shared'];
export type Sizes = typeof sizes;
export const sizes = {
  layouts,
  factors: [0.8, 1, 2, 5, 10],
  /** Of each factor over 1, with the capacity measured between them. */
  rounds: 3,
  /** The same with a new connection for each login, as a crowd without a proxy comes. */
  closingFactors: [2, 10],
  burst: { base: 0.5, factor: 5, beforeMs: 8000, durationMs: 10_000, afterMs: 20_000 },
  /** At ten times the capacity no account comes near its 60 a minute. */
  users: 2000,
  warmUpMs: 10_000,
  /** At the largest of the factors: code that refuses is compiled only when it has often run. */
  refusalsMs: 10_000,
  settleMs: 2000,
  pauseMs: 1500,
};

export type Level = Summary & {
  factor: number;
  /** A new connection for each login. */
  closing: boolean;
  capacity: number;
  /** Served ÷ the capacity beside it: median of the rounds. */
  goodputShare: number;
  /** Mean of the nodes' hashes during the level, in milliseconds. */
  serviceMs: number;
  /** Cores that the hash threads had; isolated they share one. What is missing was not there to be used, or idle. */
  hashCores: number;
  /** The same in the closed loops that measured the capacity. */
  capacityHashCores: number;
  /** Per request: turned away at the edge without asking a node, or asked and refused there. */
  edgeShare: number;
  nodeShare: number;
  /** Attempts at nodes per request that was not turned away at the edge. */
  amplification: number;
  /** Of what was let in: not answered in time, or hashed for nobody. */
  lateShare: number;
  /** Of all: neither served nor refused, nor late. */
  lostShare: number;
  /** Of the edges per request, nearly all of which are refusals at a multiple of the capacity. */
  edgeCpuUs: number;
  neighbours: number;
};
/** A closed loop: logins per second, and cores that the hash threads had. */
type Loop = { perSecond: number; hashCores: number };
export type LayoutResult = {
  layout: Layout;
  slots: number;
  loops: Loop[];
  levels: Level[];
  /** The most that was served per second, in a closed loop or at a level. */
  best: number;
  burst: Burst;
};

const serviceOf = (grown: Metrics): number =>
  (grown('hash_seconds_sum') / Math.max(1, grown('hash_seconds_count'))) * 1000;

/**
 * Of what was let in: answered with 504, or hashed and not answered. Whom a coalesced hash has served counts
 * on the other side, but no two ask for the same account here.
 */
const lateShareOf = (samples: readonly Sample[], grown: Metrics): number => {
  const late = samples.filter(({ status }) => status === 504).length;
  const served = samples.filter(isServed).length;
  const unasked = Math.max(0, grown('hash_seconds_count', { kind: 'verify' }) - served);
  return (late + unasked) / Math.max(1, served + late);
};

const isLost = (sample: Sample): boolean =>
  !isServed(sample) && !isRefused(sample) && sample.status !== 504;

const watched = async <T>(rig: Rig, run: () => Promise<T>) => {
  const before = await readMetrics(rig.fleet);
  const stopWatch = createWatch(pidsOf(rig))();
  const result = await run();
  const neighbours = stopWatch();
  return { result, neighbours, grown: growth(before, await readMetrics(rig.fleet)) };
};

/** From now; the cores that hash threads have within the window, in which the goodput is counted. */
const hashCoresIn = async ({ fleet }: Rig, { fromMs, toMs }: Window) => {
  const hashMs = () => fleet.nodes.pids().reduce((sum, pid) => sum + cpuTime(pid).hashMs, 0);
  await sleep(fromMs);
  const before = { hashMs: hashMs(), at: performance.now() };
  await sleep(toMs - fromMs);
  return (hashMs() - before.hashMs) / (performance.now() - before.at);
};

const runClosedLoop = async (rig: Rig, slots: number, forMs: number): Promise<Loop> => {
  const window = { fromMs: loopSettleMs, toMs: loopSettleMs + forMs };
  const cores = hashCoresIn(rig, window);
  return { perSecond: await measureCapacity(rig, slots, forMs), hashCores: await cores };
};

type Wanted = Pick<Level, 'factor' | 'closing'>;

const windowOf = (rig: Rig, its: Sizes) => {
  const durationMs = rig.options.durationSeconds * 1000;
  return { fromMs: Math.min(its.settleMs, durationMs / 2), toMs: durationMs };
};

const runRound = async (rig: Rig, its: Sizes, { factor, closing }: Wanted, capacity: number) => {
  const window = windowOf(rig, its);
  const phases = [{ perSecond: factor * capacity, durationMs: window.toMs }];
  let hashCores = 0;
  const run = async () => {
    const running = rig.load.run({ phases, closing });
    hashCores = await hashCoresIn(rig, window);
    return running;
  };
  const edges = rig.fleet.processes().filter(({ kind }) => kind === 'edges');
  const edgeMs = () => usedMs(edges.map(({ pid }) => pid));
  const before = edgeMs();
  const { result, neighbours, grown } = await watched(rig, run);
  const { samples } = result;
  const round = { samples, hashCores, edgeMs: edgeMs() - before, neighbours, grown };
  await sleep(its.pauseMs);
  return round;
};

type Round = Awaited<ReturnType<typeof runRound>> & {
  capacity: number;
  capacityHashCores: number;
};

const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

const levelOf = (wanted: Wanted, rounds: readonly Round[], window: Window): Level => {
  const lengthMs = window.toMs - window.fromMs;
  const samples = rounds.flatMap((round) => round.samples);
  const grown = total(rounds.map((round) => round.grown));
  const shares = rounds.map((round) => summarise(round.samples, window).goodput / round.capacity);
  const judged = rounds.flatMap((round, i) =>
    within(round.samples, window).map((one) => ({
      ...one,
      at: one.at - window.fromMs + i * lengthMs,
    })),
  );
  return {
    ...summarise(judged, { fromMs: 0, toMs: rounds.length * lengthMs }),
    ...wanted,
    capacity: mean(rounds.map(({ capacity }) => capacity)),
    goodputShare: median(shares),
    serviceMs: serviceOf(grown),
    hashCores: mean(rounds.map(({ hashCores }) => hashCores)),
    capacityHashCores: mean(rounds.map(({ capacityHashCores }) => capacityHashCores)),
    edgeShare: grown('node_shed_total') / samples.length,
    nodeShare: grown('node_forwards_total', { outcome: 'refused' }) / samples.length,
    amplification: attemptsPerRequest(grown),
    lateShare: lateShareOf(samples, grown),
    lostShare: samples.filter(isLost).length / samples.length,
    edgeCpuUs: (1000 * rounds.reduce((sum, { edgeMs }) => sum + edgeMs, 0)) / samples.length,
    neighbours: Math.max(...rounds.map(({ neighbours }) => neighbours)),
  };
};

/** What a gateway that has run for a day has behind it; a new one's first seconds are slower. */
const warmUpRefusals = async (rig: Rig, its: Sizes, capacity: number) => {
  rig.options.progress('warming up what refuses');
  const perSecond = Math.max(...its.factors) * capacity;
  await rig.load.run({ phases: [{ perSecond, durationMs: its.refusalsMs }] });
  await sleep(its.pauseMs);
};

/** All of a layout; the last of them is also the first beside what comes next. */
const createLoops = (rig: Rig, forMs: number) => {
  const all: Loop[] = [];
  const run = async (): Promise<Loop> => {
    const loop = await runClosedLoop(rig, rig.slots, forMs);
    all.push(loop);
    return loop;
  };
  return { all, run, last: async () => all.at(-1) ?? run() };
};

const measureLevel = async (
  rig: Rig,
  its: Sizes,
  wanted: Wanted & { layout: Layout },
  loops: ReturnType<typeof createLoops>,
): Promise<Level> => {
  const { layout, factor, closing } = wanted;
  const rounds: Round[] = [];
  // What is judged as a share of the capacity is measured several times.
  const count = factor > 1 && !closing ? its.rounds : 1;
  for (let i = 0; i < count; i++) {
    const before = await loops.last();
    rig.options.progress(`${layout}: ${factor} × ${before.perSecond.toFixed(0)} logins/s`);
    const round = await runRound(rig, its, { factor, closing }, before.perSecond);
    const beside = [before, await loops.run()];
    rounds.push({
      ...round,
      capacity: mean(beside.map(({ perSecond }) => perSecond)),
      capacityHashCores: mean(beside.map(({ hashCores }) => hashCores)),
    });
  }
  return levelOf({ factor, closing }, rounds, windowOf(rig, its));
};

const measureLayout = async (rig: Rig, its: Sizes, layout: Layout): Promise<LayoutResult> => {
  const { options, slots } = rig;
  const loops = createLoops(rig, Math.min(4000, options.durationSeconds * 400));
  place(pidsOf(rig), layout);
  await warmUpRefusals(rig, its, (await loops.run()).perSecond);
  await loops.run();
  const wanted: Wanted[] = [
    ...its.factors.map((factor) => ({ factor, closing: false })),
    ...its.closingFactors.map((factor) => ({ factor, closing: true })),
  ];
  const levels: Level[] = [];
  for (const one of wanted) levels.push(await measureLevel(rig, its, { ...one, layout }, loops));
  options.progress(`${layout}: burst`);
  const { perSecond: capacity } = await loops.last();
  const given = { plan: its.burst, pauseMs: its.pauseMs, capacity };
  const served = [
    ...loops.all.map(({ perSecond }) => perSecond),
    ...levels.map(({ goodput }) => goodput),
  ];
  const best = Math.max(...served);
  return { layout, slots, loops: loops.all, levels, best, burst: await measureBurst(rig, given) };
};

export const measureOverload = async (options: Options, its = sizes): Promise<LayoutResult[]> => {
  const { users, warmUpMs } = its;
  const rig = await openRig(options, { nodes: 2, threadsPerNode: 1, users, warmUpMs });
  try {
    const results: LayoutResult[] = [];
    for (const layout of its.layouts) results.push(await measureLayout(rig, its, layout));
    return results;
  } finally {
    await closeRig(rig);
  }
};
