/**
 * The hotkey bench: one account is a fifth of the traffic; do the others notice? The same load is
 * sent in turns with and without it. Each slice has a hot account of its own, because after 60
 * logins a minute an account is turned away at the edge, which would cost nothing.
 */
import { drawChart } from '../chart.js';
import { createWatch } from '../neighbours.js';
import {
  atMost,
  type Bench,
  describeNoise,
  type Options,
  round,
  roundInterval,
  showInterval,
  showNoise,
} from '../report.js';
import { compare } from '../slices.js';
import { median, percentile } from '../stats.js';
import { forwardedLogins, type Users } from '../users.js';
import type { Sample } from './generator.js';
import { closeRig, measureCapacity, openRig, pidsOf, type Rig } from './rig.js';
import { countCodes, isServed, latencies, showCodes } from './samples.js';

const load = 0.7;
const hotShare = 0.2;
const hotAccounts = 20;
const slice = { settleMs: 500, windowMs: 5000 };
const target = 1.3;

type Slice = { rate: number; others: Sample[]; hot: Sample[] };

/** The last users are the hot ones, each a group of its own. */
const groupsOf = (users: Users): Record<string, string[]> => {
  const requests = forwardedLogins(users);
  const hot = requests.slice(-hotAccounts).map((request, i) => [`hot-${i}`, [request]] as const);
  return { others: requests.slice(0, -hotAccounts), ...Object.fromEntries(hot) };
};

const send = async (rig: Rig, perSecond: number, mix: Record<string, number>): Promise<Slice> => {
  const durationMs = slice.settleMs + slice.windowMs;
  const run = await rig.load.run({ phases: [{ perSecond, durationMs }], mix });
  const samples = run.samples.filter(({ at }) => at >= slice.settleMs);
  const others = samples.filter(({ group }) => group === 'others');
  const hot = samples.filter(({ group }) => group !== 'others');
  return { rate: percentile(latencies(others.filter(isServed)), 0.99), others, hot };
};

const measure = async (options: Options) => {
  const rig = await openRig(
    options,
    { nodes: 2, threadsPerNode: 1, users: 1500 + hotAccounts },
    groupsOf,
  );
  try {
    const capacity = await measureCapacity(rig, rig.slots, 4000);
    const perSecond = load * capacity;
    let taken = 0;
    const comparison = await compare<Slice, Slice>({
      pairs: options.pairs,
      a: () =>
        send(rig, perSecond, {
          others: 1 - hotShare,
          [`hot-${taken++ % hotAccounts}`]: hotShare,
        }),
      b: () => send(rig, perSecond, { others: 1 }),
      watch: createWatch(pidsOf(rig)),
      onPair: (done) => options.progress(`pair ${done} of ${options.pairs}`),
    });
    return { capacity, comparison };
  } finally {
    await closeRig(rig);
  }
};

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
    const { capacity, comparison } = await measure(options);
    const { ratio, control, a, b } = comparison;
    const rows = {
      'others, beside a hot account': describe(a.flatMap(({ others }) => others)),
      'the hot account': describe(a.flatMap(({ hot }) => hot)),
      'without it': describe(b.flatMap(({ others }) => others)),
    };
    const slices = { a: median(a.map(({ rate }) => rate)), b: median(b.map(({ rate }) => rate)) };
    return {
      parameters: { load, hot_share: hotShare, pairs: options.pairs, slice_ms: slice },
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
