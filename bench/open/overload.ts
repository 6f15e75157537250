/** The overload bench: is what can be served served in time, and the rest refused at once? */
import { drawChart } from '../chart.js';
import { linePanel } from '../chart-lines.js';
import { atLeast, atMost, type Bench, type Criterion, round } from '../report.js';
import type { Burst } from './burst-measure.js';
import { type LayoutResult, type Level, measureOverload, sizes } from './overload-measure.js';
import { tolerance } from './recovery.js';
import { series, showCodes } from './samples.js';

/** Goodput as a share of the capacity, by factor; held to in the isolated layout. */
const goodputTargets: Record<number, number> = { 2: 0.97, 5: 0.95, 10: 0.9 };
/** Of what is offered. */
const nodeTargets: Record<number, number> = { 5: 0.2, 10: 0.1 };
const sustainedBudgetMs = 100;
const noisyAt = 0.1;
/** Who is refused comes back twice, each time after at most three seconds and what the client adds at random. */
const mostLoadBackMs = 10_000;
const { burst: burstPlan, factors, closingFactors, rounds } = sizes;

const admittedLimit = ({ serviceMs }: Level): number =>
  Math.max(sustainedBudgetMs, serviceMs) + 3 * serviceMs;

const describeLevel = (level: Level, best: number) => ({
  factor: level.factor,
  connections: level.closing ? 'new' : 'kept',
  capacity: round(level.capacity, 1),
  offered: round(level.offered, 1),
  goodput: round(level.goodput, 1),
  goodput_share: round(level.goodputShare),
  goodput_of_best: round(level.goodput / best),
  admitted_ms: { p50: round(level.p50Ms, 1), p99: round(level.p99Ms, 1) },
  refused: level.refused,
  refused_p50_ms: level.refused === 0 ? null : round(level.refusedP50Ms, 1),
  refused_p99_ms: level.refused === 0 ? null : round(level.refusedP99Ms, 1),
  service_ms: round(level.serviceMs, 1),
  hash_cores: round(level.hashCores),
  hash_cores_in_closed_loops: round(level.capacityHashCores),
  refused_at_edge_share: round(level.edgeShare),
  refused_at_node_share: round(level.nodeShare),
  attempts_per_request: round(level.amplification),
  late_share: round(level.lateShare, 5),
  lost_share: round(level.lostShare, 5),
  edge_cpu_us_per_request: round(level.edgeCpuUs, 0),
  codes: level.codes,
  neighbours: round(level.neighbours),
});

const describeBurst = (burst: Burst) => ({
  capacity: round(burst.capacity, 1),
  baseline_p99_ms: round(burst.baselineP99Ms, 1),
  load_back_ms: burst.loadBackMs,
  recovery_ms: burst.recoveryMs,
  control_ms: burst.controlMs,
  attempts_per_request: round(burst.amplification),
  served_share: round(burst.servedShare),
});

const nameOf = ({ factor, closing }: Level): string =>
  closing ? `${factor} ×, new connections` : `${factor} ×`;

const judge = ({ layout, levels: all, burst }: LayoutResult): Criterion[] => {
  // A connection costs more than a refusal: reported, not promised.
  const levels = all.filter(({ closing }) => !closing);
  const goodput = levels.flatMap((level) => {
    const target = goodputTargets[level.factor];
    const name = `${layout}: goodput at ${level.factor} ×`;
    // On shared cores refusing costs what hashing needs: reported, not promised.
    return target === undefined || layout === 'shared'
      ? []
      : [atLeast(name, level.goodputShare, target)];
  });
  const over = levels.filter(({ factor }) => factor > 1);
  const admitted = over.map((level) =>
    atMost(`${layout}: admitted p99 at ${level.factor} ×, ms`, level.p99Ms, admittedLimit(level)),
  );
  const refused = over.map((level) =>
    atMost(`${layout}: refused p99 at ${level.factor} ×, ms`, level.refusedP99Ms, 10),
  );
  const atNode = levels.flatMap(({ factor, nodeShare }) => {
    const most = nodeTargets[factor];
    const name = `${layout}: refused by nodes at ${factor} ×, share`;
    return most === undefined ? [] : [atMost(name, nodeShare, most)];
  });
  const late = over.map((level) =>
    atMost(
      `${layout}: let in and not answered in time at ${level.factor} ×, %`,
      100 * level.lateShare,
      0.1,
    ),
  );
  const lost = all.map((level) =>
    atMost(`${layout}: ${nameOf(level)}, neither served nor refused, %`, 100 * level.lostShare, 0),
  );
  const most = Math.max(burst.amplification, ...all.map((level) => level.amplification));
  return [
    ...goodput,
    ...admitted,
    ...refused,
    ...atNode,
    ...late,
    ...lost,
    atMost(`${layout}: attempts per request`, most, 1.1),
    atMost(`${layout}: load as before the burst, after ms`, burst.loadBackMs, mostLoadBackMs),
    atMost(`${layout}: recovery, ms`, burst.recoveryMs, 2000),
  ];
};

/** Of fewer the p99 is the slowest of them. */
const enoughRefusals = 100;

const showRefused = ({ refused, refusedP50Ms, refusedP99Ms }: Level): string => {
  if (refused === 0) return '–';
  const times = `${refusedP50Ms.toFixed(1)}, ${refusedP99Ms.toFixed(1)}`;
  return refused < enoughRefusals
    ? `${times} (the slowest of ${refused})`
    : `${times} (${refused})`;
};

const levelRow = (level: Level, best: number): string[] => [
  nameOf(level),
  level.offered.toFixed(0),
  level.goodput.toFixed(1),
  level.goodputShare.toFixed(3),
  (level.goodput / best).toFixed(3),
  `${level.p50Ms.toFixed(0)}, ${level.p99Ms.toFixed(0)}`,
  showRefused(level),
  `${(100 * level.edgeShare).toFixed(1)}, ${(100 * level.nodeShare).toFixed(1)} %`,
  level.amplification.toFixed(3),
  `${(100 * level.lateShare).toFixed(2)} %`,
  level.serviceMs.toFixed(1),
  `${level.hashCores.toFixed(2)}, ${level.capacityHashCores.toFixed(2)}`,
  level.edgeCpuUs.toFixed(0),
  showCodes(level.codes),
];

const tableOf = ({ layout, slots, levels, best }: LayoutResult) => ({
  title: `${layout}: ${slots} hash threads, open loop; the best rate seen ${best.toFixed(1)}/s`,
  head: [
    'load',
    'offered/s',
    'served/s',
    'served ÷ capacity',
    'served ÷ best',
    'admitted p50, p99 ms',
    'refused p50, p99 ms (of)',
    'at edge, node',
    'attempts',
    'late',
    'hash ms',
    'hash cores, in the loops',
    'edge µs',
    'codes',
  ],
  rows: levels.map((level) => levelRow(level, best)),
});

const burstRow = ({ layout, burst }: LayoutResult): string[] => [
  layout,
  burst.baselineP99Ms.toFixed(0),
  burst.loadBackMs.toFixed(0),
  burst.recoveryMs.toFixed(0),
  burst.controlMs.toFixed(0),
  burst.amplification.toFixed(3),
  burst.servedShare.toFixed(2),
];

const burstTable = (results: readonly LayoutResult[]) => ({
  title: `${burstPlan.durationMs / 1000} s of ${burstPlan.factor} × over ${burstPlan.base} ×, clients come back twice`,
  head: [
    '',
    'p99 before',
    'load back after ms',
    'p99 too, ms later',
    'without a burst ms',
    'attempts',
    'clients served',
  ],
  rows: results.map(burstRow),
});

const panelsOf = ({ layout, levels, burst }: LayoutResult) => {
  const steps = series(burst.samples, 500);
  const line = (name: string, pick: (step: (typeof steps)[number]) => number) => ({
    name,
    points: steps.map((step) => ({ x: step.fromMs / 1000, y: pick(step) })),
  });
  const { beforeMs, durationMs } = burstPlan;
  const marks = [
    { x: beforeMs / 1000, label: 'burst' },
    { x: (beforeMs + durationMs) / 1000, label: 'over' },
  ];
  return [
    {
      title: `${layout}: goodput as a share of the capacity`,
      axis: 'logins served ÷ capacity measured beside it',
      bars: levels.map((level) => ({
        label: nameOf(level),
        values: [level.goodputShare],
        note: `${level.goodputShare.toFixed(2)}, p99 ${level.p99Ms.toFixed(0)} ms`,
      })),
      targets: [{ value: 0.9, label: '0.9 at 10 ×' }],
    },
    linePanel({
      title: `${layout}: burst with clients that come back`,
      axis: 'requests per second',
      lines: [line('offered', (s) => s.offered), line('served', (s) => s.goodput)],
      marks,
    }),
    linePanel({
      title: `${layout}: latency of those served, in the burst`,
      axis: 'p99, p50 in ms',
      lines: [line('p99', (s) => s.p99Ms), line('p50', (s) => s.p50Ms)],
      marks,
    }),
  ];
};

export const overload: Bench = {
  about: 'goodput, latencies and refusals at 0.8 to 10 times the capacity, and after a burst',
  run: async (options) => {
    const results = await measureOverload(options);
    return {
      parameters: {
        factors,
        closing_factors: closingFactors,
        burst: burstPlan,
        recovery: tolerance,
        ...{ seconds_per_round: options.durationSeconds, rounds },
      },
      results: Object.fromEntries(
        results.map(({ layout, loops, levels, best, burst }) => [
          layout,
          {
            best: round(best, 1),
            closed_loops: loops.map((loop) => ({
              per_second: round(loop.perSecond, 1),
              hash_cores: round(loop.hashCores),
            })),
            levels: levels.map((level) => describeLevel(level, best)),
            burst: describeBurst(burst),
          },
        ]),
      ),
      criteria: results.flatMap(judge),
      isNoisy: results.some(({ levels }) => levels.some((l) => l.neighbours > noisyAt)),
      tables: [...results.map(tableOf), burstTable(results)],
      chart: drawChart({
        heading: 'Overload',
        notes: [
          'Poisson arrivals; latency from the intended time; capacity by a closed loop beside each round.',
        ],
        panels: results.flatMap(panelsOf),
      }),
    };
  },
};
