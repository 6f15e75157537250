/** The login bench: what a login costs beside its hash, as figures, promises and a picture. */
import type { Layout } from './cpu.js';
import { drawLogin } from './login-chart.js';
import {
  connectionsOf,
  type LayoutResult,
  type LoginResult,
  measureLogins,
  sizes,
  span,
} from './login-measure.js';
import { type Parts, partNames } from './meter.js';
import {
  atLeast,
  atMost,
  type Bench,
  describeNoise,
  round,
  roundInterval,
  showInterval,
  showNoise,
} from './report.js';
import { median } from './stats.js';

const promises = {
  shared: { now: 0.8, later: 0.85 },
  isolated: { now: 0.9, later: 0.95 },
} as const;

const layouts: Layout[] = ['shared', 'isolated'];

const rateOf = (slices: readonly { rate: number }[]) => median(slices.map(({ rate }) => rate));

const totalOf = (parts: Parts): number => partNames.reduce((sum, name) => sum + parts[name], 0);

/**
 * What the ratio would be on cores that do nothing else: CPU time of the loop's hash over that of a
 * whole login, load generator included. Less precise, but hardly moved by neighbours.
 */
const cpuRatio = ({ loopCpuMs, cpuMs }: LayoutResult): number => loopCpuMs / totalOf(cpuMs);

const describeLayout = (layout: Layout, result: LayoutResult) => {
  const { ratio, control, a, b } = result.comparison;
  return {
    ...roundInterval(ratio),
    ...describeNoise(result.comparison),
    logins_per_second: round(rateOf(a), 1),
    loop_hashes_per_second: round(rateOf(b), 1),
    control_loop: roundInterval(control.b),
    control_system: roundInterval(control.a),
    promise: promises[layout].later,
    distance_to_promise: round(promises[layout].later - ratio.median),
    cpu_ms_per_login: Object.fromEntries(
      partNames.map((name) => [name, round(result.cpuMs[name])]),
    ),
    cpu_ms_per_loop_hash: round(result.loopCpuMs),
    ...(layout === 'shared' ? { cpu_ratio: round(cpuRatio(result)) } : {}),
  };
};

const describeResult = (r: LoginResult) => ({
  nodes: r.nodes,
  hash_threads: r.slots,
  connections: connectionsOf(r.slots),
  logins_per_second: round(r.perSecond, 1),
  p50_ms: round(r.p50Ms, 1),
  p99_ms: round(r.p99Ms, 1),
  failed: r.failed,
  ratio: describeLayout('shared', r.shared),
  isolated_ratio: describeLayout('isolated', r.isolated),
});

const criteriaOf = (r: LoginResult) => [
  atLeast(`ratio, ${r.nodes} node(s)`, r.shared.comparison.ratio.median, promises.shared.now),
  atLeast(
    `isolated_ratio, ${r.nodes} node(s)`,
    r.isolated.comparison.ratio.median,
    promises.isolated.now,
  ),
  atMost(`failed logins, ${r.nodes} node(s)`, r.failed, 0),
];

export const login: Bench = {
  about: 'logins at saturation against the loop inside the same threads',
  run: async (options) => {
    const results = await measureLogins(options);
    return {
      parameters: {
        nodes: options.nodes,
        duration_s: options.durationSeconds,
        pairs: options.pairs,
        slice_ms: span.windowMs,
        users: sizes.users,
        hash: 'argon2id m=19456 t=2 p=1',
      },
      results: { login: results.map(describeResult) },
      criteria: results.flatMap(criteriaOf),
      isNoisy: results.some((r) => layouts.some((layout) => r[layout].comparison.isNoisy)),
      tables: [
        {
          title: 'Logins, closed loop at saturation',
          head: ['', 'logins/s', 'p50 ms', 'p99 ms', 'failed'],
          rows: results.map((r) => [
            `${r.nodes} node(s), ${r.slots} hash threads`,
            ...[r.perSecond, r.p50Ms, r.p99Ms].map((value) => value.toFixed(1)),
            String(r.failed),
          ]),
        },
        {
          title: 'CPU ms per login, and per hash of the loop',
          head: ['', ...partNames, 'loop'],
          rows: results.flatMap((r) =>
            layouts.map((layout) => [
              `${r.nodes} node(s), ${layout}`,
              ...partNames.map((name) => r[layout].cpuMs[name].toFixed(3)),
              r[layout].loopCpuMs.toFixed(3),
            ]),
          ),
        },
        {
          title: 'Against the loop inside the same threads (median of pairs, 95 % interval)',
          head: ['', 'ratio', 'by CPU time', 'loop/s', 'A/A loop', 'A/A system', 'dropped'],
          rows: results.flatMap((r) =>
            layouts.map((layout) => {
              const { ratio, control, b } = r[layout].comparison;
              return [
                `${r.nodes} node(s), ${layout}`,
                showInterval(ratio),
                layout === 'shared' ? cpuRatio(r.shared).toFixed(3) : '',
                rateOf(b).toFixed(1),
                control.b.median.toFixed(3),
                control.a.median.toFixed(3),
                showNoise(r[layout].comparison),
              ];
            }),
          ),
        },
      ],
      chart: drawLogin(results, promises),
    };
  },
};
