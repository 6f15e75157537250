/**
 * The measuring behind the haproxy bench: the same arrivals for every way, one way after the other,
 * in rounds that begin with another way each time. Everything is one node set, except where a node is
 * lost (haproxy-loss.ts).
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { ClosedLoopCalls, Slice } from './closed-loop.js';
import { type Loss, measureLosses } from './haproxy-loss.js';
import { clients, hotCount, hotGroup, openRig, type Rig } from './haproxy-rig.js';
import { type ByWay, inTurn, mapWays, type Way } from './haproxy-ways.js';
import { besideNeighbours } from './neighbours.js';
import type { Plan, Sample } from './open/generator.js';
import { byPerson, isServed, latencies, type Summary, summarise, within } from './open/samples.js';
import type { Peer } from './peer.js';
import type { Options } from './report.js';
import { type Comparison, compare } from './slices.js';
import { type Interval, median, medianInterval, percentile } from './stats.js';

/** "Twice": half of the people double-click. */
export const doubleClick = { share: 0.5, afterMs: 50 };
/** Of capacity, in people. What is judged is repeated so often that a neighbour's burst does not decide it. */
const offers: Offer[] = [
  { name: '1 ×', multiple: 1, rounds: 2, isJudged: false },
  { name: '2 ×', multiple: 2, rounds: 6, isJudged: true },
  { name: '5 ×', multiple: 5, rounds: 6, isJudged: true },
  { name: '0.9 × twice', multiple: 0.9, rounds: 4, isJudged: true, again: doubleClick },
  { name: '2 × twice', multiple: 2, rounds: 4, isJudged: true, again: doubleClick },
  { name: '5 × twice', multiple: 5, rounds: 4, isJudged: true, again: doubleClick },
];
/** Of capacity; with one account taking a fifth of it. */
export const hotLoad = 0.7;
export const hotShare = 0.2;
/** Of the hot account in a run (more where the machine is fast): Floodgate would refuse it after 60 in a minute. */
const hotLogins = 50;
const span = { settleMs: 100, windowMs: 1000 };
/** Before this the queues are still filling, and Floodgate serves the onset from its budget for bursts. */
const settleMs = 2000;
const pauseMs = 600;

type Hot = {
  baseP99Ms: number;
  othersP99Ms: number;
  othersFailed: number;
  hotOk: number;
  hotSent: number;
};
type Offer = {
  name: string;
  multiple: number;
  rounds: number;
  isJudged: boolean;
  again?: NonNullable<Plan['again']>;
};
type Other = Exclude<Way, 'floodgate'>;
export type HaproxyResult = {
  /** Logins per second in a closed loop: of each HAProxy, and of Floodgate in the slices beside it. */
  capacity: Record<Other, { floodgate: number; haproxy: number }>;
  ratios: Record<Other, Comparison<Slice, Slice>>;
  overload: {
    offer: Offer;
    /** People. */
    perSecond: number;
    found: ByWay<Summary>;
    /** Floodgate's goodput ÷ theirs, round by round. */
    goodputRatios: Record<Other, Interval>;
  }[];
  hot: ByWay<Hot>;
  losses: Loss[];
};

// ─── throughput ──────────────────────────────────────────────────────────────

const slice = (crowd: Peer<ClosedLoopCalls>) =>
  crowd.ask('closed', { connections: clients, ...span });

const measureThroughput = async (rig: Rig, options: Options) => {
  const compareWith = (way: Other) =>
    compare<Slice, Slice>({
      ...besideNeighbours(rig.pids(), options, `throughput against ${way}`),
      a: () => slice(rig.crowds.floodgate),
      b: () => slice(rig.crowds[way]),
    });
  const hash = await compareWith('hash');
  const leastconn = await compareWith('leastconn');
  const rate = (slices: readonly Slice[]) => median(slices.map((s) => s.rate));
  const ratesOf = ({ a, b }: typeof hash) => ({ floodgate: rate(a), haproxy: rate(b) });
  return {
    capacity: { hash: ratesOf(hash), leastconn: ratesOf(leastconn) },
    ratios: { hash, leastconn },
  };
};

// ─── open loop ───────────────────────────────────────────────────────────────

type Stretch = { perSecond: number; windowMs: number } & Pick<Plan, 'mix' | 'again'>;

/**
 * What came after the settling, on a clock that begins there. `done` counts by the time of the answer:
 * by arrival, a queue that is longer at the start than at the end would pass for lost goodput.
 */
const arrive = async (rig: Rig, way: Way, { perSecond, windowMs, ...plan }: Stretch) => {
  const phases = [{ perSecond, durationMs: settleMs + windowMs }];
  const run = await rig.loads[way].run({ phases, ...plan });
  await sleep(pauseMs);
  const window = { fromMs: settleMs, toMs: settleMs + windowMs };
  const people = byPerson(run.samples);
  const samples = within(people, window).map(
    (sample): Sample => ({ ...sample, at: sample.at - settleMs }),
  );
  const ends = people.filter(isServed).map((sample) => ({ ...sample, at: sample.at + sample.ms }));
  return { samples, done: within(ends, window).length };
};

const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

/** Samples of all rounds on one clock. */
const append = (all: Sample[], more: readonly Sample[], round: number, windowMs: number) => {
  for (const sample of more) all.push({ ...sample, at: sample.at + round * windowMs });
};

const measureOverload = async (rig: Rig, options: Options, peak: number) => {
  const windowMs = options.durationSeconds * 600;
  const results: HaproxyResult['overload'] = [];
  for (const offer of offers) {
    const { name, multiple, rounds: count, again } = offer;
    const perSecond = multiple * peak;
    const samples = mapWays((): Sample[] => []);
    const goodputs = mapWays((): number[] => []);
    const stretch = { perSecond, windowMs, ...(again === undefined ? {} : { again }) };
    await inTurn(count, async (way, round) => {
      options.progress(`${name}: ${way}, ${round + 1} of ${count}`);
      const more = await arrive(rig, way, stretch);
      append(samples[way], more.samples, round, windowMs);
      goodputs[way].push((more.done * 1000) / windowMs);
    });
    const window = { fromMs: 0, toMs: count * windowMs };
    const found = mapWays((way) => ({
      ...summarise(samples[way], window),
      goodput: mean(goodputs[way]),
    }));
    const against = (way: Way) =>
      medianInterval(goodputs.floodgate.map((own, round) => own / (goodputs[way][round] ?? 0)));
    const goodputRatios = { hash: against('hash'), leastconn: against('leastconn') };
    results.push({ offer, perSecond, found, goodputRatios });
  }
  return results;
};

const p99Of = (samples: readonly Sample[]): number =>
  percentile(latencies(samples.filter(isServed)), 0.99);

const measureHot = async (rig: Rig, options: Options, peak: number): Promise<ByWay<Hot>> => {
  const perSecond = hotLoad * peak;
  const longestMs = Math.max(500, (1000 * hotLogins) / (hotShare * perSecond) - settleMs);
  const wantedMs = 4 * options.durationSeconds * 600;
  const rounds = Math.min(hotCount, Math.ceil(wantedMs / longestMs));
  const windowMs = Math.min(longestMs, wantedMs / rounds);
  const base = mapWays((): Sample[] => []);
  const mixed = mapWays((): Sample[] => []);
  await inTurn(rounds, async (way, round) => {
    options.progress(`hot account: ${way}, ${round + 1} of ${rounds}`);
    const mix = { all: 1 - hotShare, [hotGroup(round)]: hotShare };
    const alone = await arrive(rig, way, { perSecond, windowMs, mix: { all: 1 } });
    base[way].push(...alone.samples);
    mixed[way].push(...(await arrive(rig, way, { perSecond, windowMs, mix })).samples);
  });
  return mapWays((way) => {
    const others = mixed[way].filter(({ group }) => group === 'all');
    const hot = mixed[way].filter(({ group }) => group !== 'all');
    return {
      baseP99Ms: p99Of(base[way]),
      othersP99Ms: p99Of(others),
      othersFailed: others.length - others.filter(isServed).length,
      hotOk: hot.filter(isServed).length,
      hotSent: hot.length,
    };
  });
};

export const measureHaproxy = async (options: Options): Promise<HaproxyResult> => {
  const rig = await openRig(options.progress);
  try {
    const { capacity, ratios } = await measureThroughput(rig, options);
    const rates = Object.values(capacity).flatMap(({ floodgate, haproxy }) => [floodgate, haproxy]);
    const peak = Math.max(...rates);
    const overload = await measureOverload(rig, options, peak);
    const hot = await measureHot(rig, options, peak);
    const losses = await measureLosses(rig, options, peak);
    return { capacity, ratios, overload, hot, losses };
  } finally {
    await rig.fleet.stop();
  }
};
