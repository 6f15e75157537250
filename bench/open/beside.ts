/** What the benches on somebody beside the others share: their tables, chart and first criterion. */
import { drawChart } from '../chart.js';
import {
  atLeast,
  atMost,
  type Bench,
  type Criterion,
  describeNoise,
  type Options,
  round,
  roundInterval,
  showInterval,
  showNoise,
} from '../report.js';
import { median, percentile } from '../stats.js';
import { type Beside, type Crowd, load, measureBeside, servedShare } from './beside-measure.js';
import type { Sample } from './generator.js';
import { countCodes, isServed, latencies, showCodes } from './samples.js';

const target = 1.3;
const leastServed = 0.999;

const describe = (samples: readonly Sample[]) => {
  const served = latencies(samples.filter(isServed));
  return {
    sent: samples.length,
    p50_ms: round(percentile(served, 0.5), 1),
    p99_ms: round(percentile(served, 0.99), 1),
    codes: countCodes(samples),
  };
};

type Rows = Record<string, ReturnType<typeof describe>>;
type More = {
  results: Record<string, unknown>;
  criteria: Criterion[];
  tables: { title: string; head: string[]; rows: string[][] }[];
};
const nothing: More = { results: {}, criteria: [], tables: [] };

const tablesOf = ({ capacity, comparison }: Beside, rows: Rows) => [
  {
    title: `Open loop at ${load} of ${capacity.toFixed(0)} logins/s`,
    head: ['', 'sent', 'p50 ms', 'p99 ms', 'codes'],
    rows: Object.entries(rows).map(([name, row]) => [
      name,
      ...[row.sent, row.p50_ms, row.p99_ms].map(String),
      showCodes(row.codes),
    ]),
  },
  {
    title: 'p99 of the others, pairs of slices',
    head: ['', 'beside ÷ without [95 %]', 'A/A without', 'dropped'],
    rows: [
      [
        '',
        showInterval(comparison.ratio),
        comparison.control.b.median.toFixed(3),
        showNoise(comparison),
      ],
    ],
  },
];

/** `who` is beside the others; `more`: what else this bench finds. */
export const createBesideBench = ({
  about,
  heading,
  who,
  crowd,
  parameters,
  more = () => nothing,
}: {
  about: string;
  heading: string;
  who: string;
  crowd: () => Crowd;
  parameters: Record<string, number>;
  more?: (found: Beside) => More;
}): Bench => {
  const draw = (p99: { a: number; b: number }) =>
    drawChart({
      heading,
      notes: [about],
      panels: [
        {
          title: 'Latency of the others',
          axis: 'p99 in ms, median of slices',
          bars: [
            { label: `beside ${who}`, values: [p99.a] },
            { label: 'without it', values: [p99.b] },
          ],
        },
      ],
    });

  const run = async (options: Options) => {
    const found = await measureBeside(options, crowd());
    const { comparison } = found;
    const { ratio, control, a, b } = comparison;
    const rows = {
      [`others, beside ${who}`]: describe(a.flatMap(({ others }) => others)),
      [who]: describe(a.flatMap(({ beside }) => beside)),
      'without it': describe(b.flatMap(({ others }) => others)),
    };
    const p99 = { a: median(a.map(({ rate }) => rate)), b: median(b.map(({ rate }) => rate)) };
    const { results, criteria, tables } = more(found);
    return {
      parameters: { load, ...parameters, pairs: options.pairs, slice_ms: found.slice },
      results: {
        capacity: round(found.capacity, 1),
        p99_ratio: { ...roundInterval(ratio), ...describeNoise(comparison) },
        control_without: roundInterval(control.b),
        slice_p99_ms: { beside: round(p99.a, 1), without: round(p99.b, 1) },
        groups: rows,
        ...results,
      },
      criteria: [
        atMost('p99 of the others against without', ratio.median, target),
        atLeast('share of the others that is served', servedShare(a), leastServed),
        ...criteria,
      ],
      isNoisy: comparison.isNoisy,
      tables: [...tablesOf(found, rows), ...tables],
      chart: draw(p99),
    };
  };
  return { about, run };
};
