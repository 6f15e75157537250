/** The login bench: what a login costs beside its hash, as figures, promises and a picture. */
import type { Layout } from './cpu.js';
import { drawLogin } from './login-chart.js';
import {
  connectionsPerSlot,
  type LoginResult,
  measureLogin,
  span,
  userCount,
} from './login-measure.js';
import { partNames } from './meter.js';
import { atLeast, atMost, type Bench, round, roundInterval, showInterval } from './report.js';
import { median } from './stats.js';

const promises = {
  shared: { now: 0.8, later: 0.85 },
  isolated: { now: 0.9, later: 0.95 },
} as const;

const rateOf = (slices: readonly { rate: number }[]) => median(slices.map(({ rate }) => rate));

const describeComparison = (layout: Layout, { ratio, control, a, b }: LoginResult['shared']) => ({
  ...roundInterval(ratio),
  logins_per_second: round(rateOf(a), 1),
  loop_hashes_per_second: round(rateOf(b), 1),
  control_loop: roundInterval(control.b),
  control_system: roundInterval(control.a),
  promise: promises[layout].later,
  distance_to_promise: round(promises[layout].later - ratio.median),
});

const describeResult = (r: LoginResult) => ({
  nodes: r.nodes,
  hash_threads: r.slots,
  connections: r.slots * connectionsPerSlot,
  logins_per_second: round(r.perSecond, 1),
  p50_ms: round(r.p50Ms, 1),
  p99_ms: round(r.p99Ms, 1),
  failed: r.failed,
  cpu_ms_per_login: Object.fromEntries(partNames.map((name) => [name, round(r.cpuMs[name])])),
  ratio: describeComparison('shared', r.shared),
  isolated_ratio: describeComparison('isolated', r.isolated),
});

const criteriaOf = (r: LoginResult) => [
  atLeast(`ratio, ${r.nodes} node(s)`, r.shared.ratio.median, promises.shared.now),
  atLeast(`isolated_ratio, ${r.nodes} node(s)`, r.isolated.ratio.median, promises.isolated.now),
  atMost(`failed logins, ${r.nodes} node(s)`, r.failed, 0),
];

export const login: Bench = {
  about: 'logins at saturation against the loop inside the same threads',
  run: async (options) => {
    const results: LoginResult[] = [];
    for (const nodes of options.nodes) results.push(await measureLogin(nodes, options));
    return {
      parameters: {
        nodes: options.nodes,
        duration_s: options.durationSeconds,
        pairs: options.pairs,
        slice_ms: span.windowMs,
        users: userCount,
        hash: 'argon2id m=19456 t=2 p=1',
      },
      results: { login: results.map(describeResult) },
      criteria: results.flatMap(criteriaOf),
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
          title: 'CPU ms per login',
          head: ['', ...partNames],
          rows: results.map((r) => [
            `${r.nodes} node(s)`,
            ...partNames.map((name) => r.cpuMs[name].toFixed(3)),
          ]),
        },
        {
          title: 'Against the loop inside the same threads (median of pairs, 95 % interval)',
          head: ['', 'ratio', 'loop/s', 'A/A loop', 'A/A system'],
          rows: results.flatMap((r) =>
            (['shared', 'isolated'] as const).map((layout) => {
              const { ratio, control } = r[layout];
              const loopRate = rateOf(r[layout].b);
              return [
                `${r.nodes} node(s), ${layout}`,
                showInterval(ratio),
                loopRate.toFixed(1),
                control.b.median.toFixed(3),
                control.a.median.toFixed(3),
              ];
            }),
          ),
        },
      ],
      chart: drawLogin(results, promises),
    };
  },
};
