/** The picture of the login bench: the two ratios against their promises, and where CPU time goes. */
import { drawChart, type Panel } from './chart.js';
import type { LoginResult } from './login-measure.js';
import { type Part, partNames } from './meter.js';

type Promises = Record<'shared' | 'isolated', { now: number; later: number }>;

const partLabels: Record<Part, string> = {
  hash: 'hash threads',
  node_main: 'node main thread',
  edges: 'edges',
  redis: 'Redis',
  primary: 'primary',
  admin: 'admin',
  load: 'load generator',
};

const ratioPanel = (
  results: readonly LoginResult[],
  layout: 'shared' | 'isolated',
  { now, later }: Promises['shared'],
): Panel => ({
  title:
    layout === 'shared'
      ? 'Everything on two shared cores'
      : 'Isolated: hash threads on one core, all else on the other',
  axis: 'logins per second ÷ hashes per second of the loop (median of pairs, 95 % interval)',
  bars: results.map((r) => {
    const { median, low, high } = r[layout].comparison.ratio;
    return {
      label: `${r.nodes} node${r.nodes === 1 ? '' : 's'}`,
      values: [median],
      interval: { low, high },
      note: median.toFixed(3),
    };
  }),
  targets: [
    { value: now, label: `${now} now` },
    { value: later, label: `${later}` },
  ],
  limit: { least: now },
});

export const drawLogin = (results: readonly LoginResult[], promises: Promises): string =>
  drawChart({
    heading: 'What a login costs beside its hash',
    notes: [
      'Whole system at saturation against argon2id back to back inside the same threads; 1 s slices in turn',
      results
        .map(
          (r) =>
            `${r.nodes} node(s): ${r.perSecond.toFixed(0)} logins/s, p99 ${r.p99Ms.toFixed(0)} ms`,
        )
        .join(' · '),
    ],
    panels: [
      ratioPanel(results, 'shared', promises.shared),
      ratioPanel(results, 'isolated', promises.isolated),
      {
        title: 'CPU time of one login',
        axis: 'CPU milliseconds per login, shared cores',
        parts: partNames.map((name) => partLabels[name]),
        bars: results.map((r) => ({
          label: `${r.nodes} node${r.nodes === 1 ? '' : 's'}`,
          values: partNames.map((name) => r.shared.cpuMs[name]),
        })),
      },
      {
        title: 'The same without the hash',
        axis: 'CPU milliseconds per login, shared cores',
        parts: partNames.map((name) => partLabels[name]),
        bars: results.map((r) => ({
          label: `${r.nodes} node${r.nodes === 1 ? '' : 's'}`,
          values: partNames.map((name) => (name === 'hash' ? 0 : r.shared.cpuMs[name])),
        })),
      },
    ],
  });
