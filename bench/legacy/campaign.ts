/** The campaign bench: do logins notice that weak hashes are wrapped, and is each wrapped exactly once? */
import { drawChart } from '../chart.js';
import {
  atLeast,
  atMost,
  type Bench,
  describeNoise,
  round,
  roundInterval,
  showInterval,
  showNoise,
} from '../report.js';
import { median } from '../stats.js';
import {
  load,
  measureCampaign,
  type Slice,
  sizes,
  unwrappedOnce,
  type Wrapped,
  wrappedOnce,
} from './campaign-measure.js';
import { cheap } from './campaign-rig.js';

const target = 1.2;
const medianOf = (slices: readonly Slice[], of: (slice: Slice) => number): number =>
  median(slices.map(of));

const describe = (slices: readonly Slice[]) => ({
  p50_ms: round(
    medianOf(slices, ({ p50 }) => p50),
    1,
  ),
  p99_ms: round(
    medianOf(slices, ({ rate }) => rate),
    1,
  ),
  sent: slices.reduce((sum, { sent }) => sum + sent, 0),
  failed: slices.reduce((sum, { sent, served }) => sum + sent - served, 0),
});

const criteriaOf = ({ comparison, rows, after, atEnd, signIns, wrappedAtKill }: Wrapped) => [
  atMost('p99 of logins beside the campaign ÷ without', comparison.ratio.median, target),
  atMost(
    'slices after the campaign had ended (more rows, or fewer pairs)',
    [...comparison.a, ...comparison.b].filter(({ hasCampaign }) => !hasCampaign).length,
    0,
  ),
  atMost('records not wrapped exactly once', rows - (after.byKind[wrappedOnce] ?? 0), 0),
  atMost('users who could not sign in afterwards', signIns.tried - signIns.ok, 0),
  atMost(
    'records not unwrapped exactly once',
    Math.abs(rows - (atEnd.byKind[unwrappedOnce] ?? 0)),
    0,
  ),
  atLeast('records wrapped when every node was killed', wrappedAtKill, 1),
];

export const campaign: Bench = {
  about: '100,000 md5 records wrapped beside logins: p99, every node killed, each once (--rows)',
  run: async (options) => {
    const found = await measureCampaign(options);
    const { comparison, rows, capacity, tookMs, wrappedAtKill, signIns } = found;
    const { ratio, control, a, b } = comparison;
    const slices = { 'beside the campaign': describe(a), paused: describe(b) };
    const perSecond = (rows * 1000) / tookMs;
    return {
      parameters: { rows, load, pairs: options.pairs, argon2: cheap, slice_ms: sizes.slice },
      results: {
        capacity: round(capacity, 1),
        p99_ratio: { ...roundInterval(ratio), ...describeNoise(comparison) },
        control_paused: roundInterval(control.b),
        slices,
        seconds: round(tookMs / 1000, 1),
        wrapped_at_kill: wrappedAtKill,
        campaign: found.campaign,
        sign_ins: signIns,
        records: { ...found.after.byKind },
        records_after_sign_ins: found.atEnd.byKind,
      },
      criteria: criteriaOf(found),
      isNoisy: comparison.isNoisy,
      tables: [
        {
          title: `Logins at ${load} of ${capacity.toFixed(0)} a second, ${rows} records in ${(tookMs / 1000).toFixed(0)} s (${perSecond.toFixed(0)} a second, pauses included)`,
          head: ['', 'sent', 'failed', 'p50 ms', 'p99 ms'],
          rows: Object.entries(slices).map(([name, { sent, failed, p50_ms, p99_ms }]) => [
            name,
            ...[sent, failed, p50_ms, p99_ms].map(String),
          ]),
        },
        {
          title: 'p99 of logins, pairs of slices',
          head: ['', 'running ÷ paused [95 %]', 'A/A paused', 'dropped'],
          rows: [['', showInterval(ratio), control.b.median.toFixed(3), showNoise(comparison)]],
        },
      ],
      chart: drawChart({
        heading: 'Wrapping beside logins',
        notes: [`${rows} unsalted md5 records, argon2id at ${cheap.memoryKiB} KiB`],
        panels: [
          {
            title: 'Latency of logins',
            axis: 'p99 in ms, median of slices',
            bars: Object.entries(slices).map(([label, { p99_ms }]) => ({
              label,
              values: [p99_ms],
            })),
          },
        ],
      }),
    };
  },
};
