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

/** An edge this busy is what limits the throughput. */
const saturatedAt = 0.85;

/** Of both passes. */
const middle = (runs: readonly Run[], pick: (run: Run) => number): number => median(runs.map(pick));

const summarise = (runs: readonly Run[]): Run => ({
  perSecond: middle(runs, (run) => run.perSecond),
  p50Ms: middle(runs, (run) => run.p50Ms),
  p99Ms: middle(runs, (run) => run.p99Ms),
  refused: runs.reduce((sum, run) => sum + run.refused, 0),
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
  refused: run.refused,
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

const growth = (from: Run, to: Run): number => to.edgeUs / from.edgeUs;

const criteriaOf = (all: readonly NodesSummary[]): Criterion[] => [
  atMost(
    'failed logins',
    all.reduce((sum, { low, full }) => sum + low.failed + full.failed, 0),
    0,
  ),
];

/** Of what the nodes could do. */
const loadOf = (nodes: number, { perSecond }: Run): string =>
  `${((100 * perSecond) / (nodes * nodeCapacity)).toFixed(0)} %`;

type Pair = { name: string; from: NodesSummary; to: NodesSummary; pick: (s: NodesSummary) => Run };

/**
 * Reported, not judged: the same logins leave most of many nodes idle and keep one busy, so the two differ by more than
 * their number.
 */
const pairsOf = (all: readonly NodesSummary[]): Pair[] => {
  const pairOf = (
    name: string,
    its: readonly NodesSummary[],
    pick: (s: NodesSummary) => Run,
  ): Pair[] => {
    const [from, to] = [its[0], its.at(-1)];
    return from === undefined || to === undefined || from === to ? [] : [{ name, from, to, pick }];
  };
  const full = all.filter((summary) => summary.full.edgeBusy >= saturatedAt);
  return [
    ...pairOf('fixed rate', all, (s) => s.low),
    ...pairOf('edge saturated', full, (s) => s.full),
  ];
};

const growthRow = ({ name, from, to, pick }: Pair): string[] => [
  name,
  `${from.nodes} → ${to.nodes}`,
  growth(pick(from), pick(to)).toFixed(3),
  `${loadOf(from.nodes, pick(from))} → ${loadOf(to.nodes, pick(to))}`,
];

const describePair = ({ name, from, to, pick }: Pair) => ({
  ...{ name, from: from.nodes, to: to.nodes, ratio: round(growth(pick(from), pick(to))) },
});

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
      results: { nodes: all.map(describeCount), growth: pairsOf(all).map(describePair) },
      criteria: criteriaOf(all),
      tables: [
        {
          title: `Stand-in nodes (${nodeCapacity} logins/s each), ${lowPerSecond} logins/s, open loop`,
          head: [...head, 'up ÷ down'],
          rows: all.map((s) => rowOf(s.nodes, s.low, s.spread.toFixed(3))),
        },
        {
          title: 'As fast as it goes, closed loop: logins/s of one edge process',
          head: [...head, 'limited by', 'refused'],
          rows: all.map((s) => [...rowOf(s.nodes, s.full, limitOf(s)), String(s.full.refused)]),
        },
        {
          title: 'Edge CPU per login, the most nodes ÷ the fewest',
          head: ['', 'nodes', 'ratio', 'of what they can do'],
          rows: pairsOf(all).map(growthRow),
        },
      ],
      chart: drawNodes(all),
    };
  },
};
