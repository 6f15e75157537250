/**
 * What one routing decision costs: `choose` with 64 and 1,000 nodes, all of the same weight and of
 * different weights (the second needs a logarithm per node), of one zone and of two, with every node full, with
 * one breaker in twenty open, and the bare look-up in the hash order.
 * The real code by itself, but for the full ones with loads as `npm run sim` has them at 70 %: of a hundred
 * decisions eleven look beyond the first node, and four take another. Short slices of both kinds in turn; the
 * same kind side by side is the A/A control.
 */
import { drawChart, type Panel } from './chart.js';
import { createWatch } from './neighbours.js';
import {
  atMost,
  type Bench,
  describeNoise,
  type Report,
  round,
  roundInterval,
  showInterval,
  showNoise,
} from './report.js';
import { type Case, cases, leftPerHundred } from './routing-cases.js';
import { type Comparison, compare } from './slices.js';
import { type Interval, medianInterval } from './stats.js';

const sliceMs = 60;
const warmUpMs = 400;
type Slice = { rate: number };
type Row = {
  label: string;
  nodes: number;
  nanoseconds: Interval;
  limit: number;
  measured: Comparison<Slice, Slice>;
  control: Interval;
};

/** Calls per second; results are looked at, or the compiler might drop the calls. */
const time = (call: () => unknown, forMs: number): number => {
  const startedAt = performance.now();
  let calls = 0;
  let missing = 0;
  let tookMs = 0;
  while (tookMs < forMs) {
    for (let i = 0; i < 200; i++) if (call() === undefined) missing++;
    calls += 200;
    tookMs = performance.now() - startedAt;
  }
  if (missing > 0) throw new Error(`${missing} decisions went another way`);
  return (calls * 1000) / tookMs;
};

const nanoseconds = (slices: readonly Slice[]): Interval =>
  medianInterval(slices.map(({ rate }) => 1e9 / rate));

const measure = async (
  { name, nodes, limits, make }: Case,
  pairs: number,
  onPair: (kept: number) => void,
): Promise<Row[]> => {
  const [equal, weighted] = [make(nodes, false), make(nodes, true)];
  time(equal, warmUpMs);
  time(weighted, warmUpMs);
  const measured = await compare({
    pairs,
    a: async () => ({ rate: time(equal, sliceMs) }),
    b: async () => ({ rate: time(weighted, sliceMs) }),
    watch: createWatch([]),
    onPair,
  });
  const { a, b, control } = measured;
  const row = { nodes, measured };
  return [
    {
      ...row,
      label: `${name}, equal weights`,
      nanoseconds: nanoseconds(a),
      limit: limits[0],
      control: control.a,
    },
    {
      ...row,
      label: `${name}, own weights`,
      nanoseconds: nanoseconds(b),
      limit: limits[1],
      control: control.b,
    },
  ];
};

const titleOf = ({ label, nodes }: Row): string => `${label}, ${nodes} nodes`;

const panelOf = (rows: readonly Row[], nodes: number): Panel => ({
  title: `${nodes.toLocaleString('en')} nodes`,
  axis: 'nanoseconds per decision (median of slices, 95 % interval)',
  bars: rows
    .filter((row) => row.nodes === nodes)
    .map(({ label, nanoseconds: { median, low, high } }) => ({
      label,
      values: [median],
      interval: { low, high },
    })),
  targets: [{ value: nodes === 64 ? 3000 : 25_000, label: 'promise' }],
});

const tableOf = (rows: readonly Row[]): Report['tables'][number] => ({
  title: 'One routing decision',
  head: ['', 'nodes', 'ns', 'A/A', 'dropped'],
  rows: rows.map((row) => [
    row.label,
    String(row.nodes),
    `${round(row.nanoseconds.median, 0)} [${round(row.nanoseconds.low, 0)}, ${round(row.nanoseconds.high, 0)}]`,
    showInterval(row.control),
    showNoise(row.measured),
  ]),
});

export const routing: Bench = {
  about: 'what one routing decision costs with 64 and 1,000 nodes',
  run: async ({ pairs, progress }) => {
    const rows: Row[] = [];
    for (const one of cases)
      rows.push(
        ...(await measure(one, pairs, (kept) => {
          progress(`${one.name} with ${one.nodes} nodes: pair ${kept} of ${pairs}`);
        })),
      );
    return {
      parameters: { pairs, slice_ms: sliceMs, left_percent: leftPerHundred },
      results: Object.fromEntries(
        rows.map((row) => [
          titleOf(row),
          {
            nanoseconds: roundInterval(row.nanoseconds),
            control: roundInterval(row.control),
            ...describeNoise(row.measured),
          },
        ]),
      ),
      criteria: rows
        .filter(({ limit }) => Number.isFinite(limit))
        .map((row) => atMost(`${titleOf(row)}, ns`, row.nanoseconds.median, row.limit)),
      isNoisy: rows.some(({ measured }) => measured.isNoisy),
      tables: [tableOf(rows)],
      chart: drawChart({
        heading: 'What one routing decision costs',
        notes: [
          'The real code by itself on one core; loads as at 70 %, but where every node is full',
        ],
        panels: [panelOf(rows, 64), panelOf(rows, 1000)],
      }),
    };
  },
};
