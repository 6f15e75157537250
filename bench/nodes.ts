/** The nodes bench: what the gateway itself costs, and how that grows with the number of nodes. */
import { drawNodes } from './nodes-chart.js';
import {
  fullPace,
  lowPerSecond,
  measureNodes,
  type NodesResult,
  nodeCapacity,
  type Run,
  standIn,
} from './nodes-measure.js';
import { atMost, type Bench, type Criterion, round } from './report.js';
import { median } from './stats.js';

/** From the fewest nodes to the most, of what a login costs the edge. */
const maxGrowth = 1.1;
/** An edge this busy is what limits the throughput. */
const saturatedAt = 0.85;

/** Of both passes. */
const middle = (runs: readonly Run[], pick: (run: Run) => number): number => median(runs.map(pick));

const summarise = (runs: readonly Run[]): Run => ({
  perSecond: middle(runs, (run) => run.perSecond),
  p50Ms: middle(runs, (run) => run.p50Ms),
  p99Ms: middle(runs, (run) => run.p99Ms),
  failed: runs.reduce((sum, run) => sum + run.failed, 0),
  edgeUs: middle(runs, (run) => run.edgeUs),
  edgeBusy: middle(runs, (run) => run.edgeBusy),
  othersBusy: middle(runs, (run) => run.othersBusy),
});

type NodesSummary = { nodes: number; low: Run; full: Run; spread: number };

const summariseCount = ({ nodes, low, full }: NodesResult): NodesSummary => {
  const [up = Number.NaN, down = Number.NaN] = low.map((run) => run.edgeUs);
  return { nodes, low: summarise(low), full: summarise(full), spread: up / down };
};

const describeRun = (run: Run) => ({
  logins_per_second: round(run.perSecond, 1),
  p50_ms: round(run.p50Ms, 1),
  p99_ms: round(run.p99Ms, 1),
  failed: run.failed,
  edge_cpu_us_per_login: round(run.edgeUs, 0),
  edge_busy: round(run.edgeBusy),
  other_core_busy: round(run.othersBusy),
});

const describeCount = ({ nodes, low, full, spread }: NodesSummary) => ({
  nodes,
  at_fixed_rate: describeRun(low),
  saturated: describeRun(full),
  control_up_down: round(spread),
});

const growth = (from: Run | undefined, to: Run | undefined): number =>
  (to?.edgeUs ?? Number.NaN) / (from?.edgeUs ?? Number.NaN);

const criteriaOf = (all: readonly NodesSummary[]): Criterion[] => {
  const [first, last] = [all[0], all.at(-1)];
  const full = all.filter((summary) => summary.full.edgeBusy >= saturatedAt);
  const [least, most] = [full[0], full.at(-1)];
  const failed = all.reduce((sum, { low, full }) => sum + low.failed + full.failed, 0);
  return [
    ...(first !== last
      ? [
          atMost(
            `edge CPU per login, ${last?.nodes} ÷ ${first?.nodes} node(s), fixed rate`,
            growth(first?.low, last?.low),
            maxGrowth,
          ),
        ]
      : []),
    ...(least !== most
      ? [
          atMost(
            `edge CPU per login, ${most?.nodes} ÷ ${least?.nodes} nodes, edge saturated`,
            growth(least?.full, most?.full),
            maxGrowth,
          ),
        ]
      : []),
    atMost('failed logins', failed, 0),
  ];
};

const head = ['', 'logins/s', 'p50 ms', 'p99 ms', 'edge µs/login', 'edge busy', 'other core'];

const rowOf = (nodes: number, run: Run, more: string) => [
  `${nodes} node(s)`,
  run.perSecond.toFixed(1),
  run.p50Ms.toFixed(1),
  run.p99Ms.toFixed(1),
  run.edgeUs.toFixed(0),
  `${(run.edgeBusy * 100).toFixed(0)} %`,
  `${(run.othersBusy * 100).toFixed(0)} %`,
  more,
];

export const nodes: Bench = {
  about: 'the gateway alone: cost of a login in front of 1 to 32 stand-in nodes',
  nodes: [1, 2, 4, 8, 16, 32],
  run: async (options) => {
    const all = (await measureNodes(options)).map(summariseCount);
    const limitOf = ({ full }: NodesSummary) =>
      full.edgeBusy >= saturatedAt ? 'edge' : 'stand-ins';
    return {
      parameters: {
        nodes: options.nodes,
        duration_s: options.durationSeconds,
        edges: 1,
        users: fullPace.users,
        fixed_rate_per_second: lowPerSecond,
        stand_in: `${standIn.slots} slots of ${standIn.serviceMs} ms each, a timer instead of a hash`,
        clients: 'distinct accounts and addresses, behind a trusted proxy',
        layout: 'the edge alone on core 0, all else on core 1',
      },
      results: { nodes: all.map(describeCount) },
      criteria: criteriaOf(all),
      tables: [
        {
          title: `Stand-in nodes (${nodeCapacity} logins/s each), ${lowPerSecond} logins/s, open loop`,
          head: [...head, 'up ÷ down'],
          rows: all.map((s) => rowOf(s.nodes, s.low, s.spread.toFixed(3))),
        },
        {
          title: 'As fast as it goes, closed loop: logins/s of one edge process',
          head: [...head, 'limited by'],
          rows: all.map((s) => rowOf(s.nodes, s.full, limitOf(s))),
        },
      ],
      chart: drawNodes(all),
    };
  },
};
