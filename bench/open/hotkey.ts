/** The hotkey bench: one account is a fifth of the traffic; do the others notice? */
import { drawChart } from '../chart.js';
import {
  atMost,
  type Bench,
  describeNoise,
  round,
  roundInterval,
  showInterval,
  showNoise,
} from '../report.js';
import { median, percentile } from '../stats.js';
import type { Sample } from './generator.js';
import { hotShare, load, measureHotKey, sizes } from './hotkey-measure.js';
import { countCodes, isServed, latencies, showCodes } from './samples.js';

const target = 1.3;

const describe = (samples: readonly Sample[]) => {
  const served = latencies(samples.filter(isServed));
  return {
    sent: samples.length,
    p50_ms: round(percentile(served, 0.5), 1),
    p99_ms: round(percentile(served, 0.99), 1),
    codes: countCodes(samples),
  };
};

export const hotkey: Bench = {
  about: 'one account is a fifth of the traffic: p99 of the others against the same load without',
  run: async (options) => {
    const { capacity, comparison } = await measureHotKey(options);
    const { ratio, control, a, b } = comparison;
    const rows = {
      'others, beside a hot account': describe(a.flatMap(({ others }) => others)),
      'the hot account': describe(a.flatMap(({ hot }) => hot)),
      'without it': describe(b.flatMap(({ others }) => others)),
    };
    const slices = { a: median(a.map(({ rate }) => rate)), b: median(b.map(({ rate }) => rate)) };
    return {
      parameters: { load, hot_share: hotShare, pairs: options.pairs, slice_ms: sizes.slice },
      results: {
        capacity: round(capacity, 1),
        p99_ratio: { ...roundInterval(ratio), ...describeNoise(comparison) },
        control_without: roundInterval(control.b),
        slice_p99_ms: { hot: round(slices.a, 1), without: round(slices.b, 1) },
        groups: rows,
      },
      criteria: [atMost('p99 of the others against without', ratio.median, target)],
      isNoisy: comparison.isNoisy,
      tables: [
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
          head: ['', 'hot ÷ without [95 %]', 'A/A without', 'dropped'],
          rows: [['', showInterval(ratio), control.b.median.toFixed(3), showNoise(comparison)]],
        },
      ],
      chart: drawChart({
        heading: 'A hot account',
        notes: [`One account sends ${100 * hotShare} % of ${load} × the capacity.`],
        panels: [
          {
            title: 'Latency of the other accounts',
            axis: 'p99 in ms, median of slices',
            bars: [
              { label: 'beside a hot account', values: [slices.a] },
              { label: 'without it', values: [slices.b] },
            ],
          },
        ],
      }),
    };
  },
};
