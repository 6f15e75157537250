/** The revocation bench: how soon every edge refuses what was revoked, and what it says without the log. */
import { drawChart } from '../chart.js';
import { atMost, type Bench, round } from '../report.js';
import { percentile } from '../stats.js';
import { type CutResult, sizes as cutSizes, measureCut, rules } from './cut.js';
import { kinds } from './kinds.js';
import { edgeCount, loads, measureVisibility, type Sight, sizes } from './measure.js';
import { judge, promiseMs } from './verdict.js';

/** Until the last edge refuses. */
const describe = (sights: readonly Sight[]) => {
  const last = sights.map(({ edges }) => Math.max(...edges.map(({ ms }) => ms)));
  const atOnce = sights.filter(({ edges }) => edges.every(({ checks }) => checks === 1));
  return {
    revocations: sights.length,
    refused_at_once: atOnce.length,
    p50_ms: round(percentile(last, 0.5), 2),
    p99_ms: round(percentile(last, 0.99), 2),
    max_ms: round(percentile(last, 1), 2),
  };
};

const showDuring = (during: Record<string, number>): string =>
  Object.entries(during)
    .sort()
    .map(([name, count]) => `${count} × ${name}`)
    .join(', ');

const cutRow = (result: CutResult): string[] => {
  const { during, broken, acceptedBack, lastAcceptedMs } = judge(result);
  const back = (result.backAt - result.mendedAt).toFixed(0);
  const figures = [String(result.revoked), back, lastAcceptedMs.toFixed(0)];
  return [result.rule, ...figures, String(broken), String(acceptedBack), showDuring(during)];
};

export const revocation: Bench = {
  about: 'from the answer to the last edge that refuses, under load; and with the log cut for 10 s',
  run: async (options) => {
    const { count = sizes.count } = options;
    const found = await measureVisibility(options, { ...sizes, count });
    const cuts: CutResult[] = [];
    for (const rule of rules) cuts.push(await measureCut(options, rule));
    const all = describe(found.sights);
    const rows = Object.keys(kinds).map(
      (name) => [name, describe(found.sights.filter(({ kind }) => kind === name))] as const,
    );
    const background = Object.entries(found.background);
    return {
      parameters: { count, edges: edgeCount, loads, cut: cutSizes },
      results: {
        capacity: round(found.capacity, 1),
        visible: { all, ...Object.fromEntries(rows) },
        background: Object.fromEntries(
          background.map(([name, { offered, p50Ms, p99Ms, codes }]) => [
            name,
            {
              offered: round(offered, 1),
              p50_ms: round(p50Ms, 1),
              p99_ms: round(p99Ms, 1),
              codes,
            },
          ]),
        ),
        cuts: Object.fromEntries(
          cuts.map((result) => [
            result.rule,
            {
              revoked: result.revoked,
              back_after_ms: round(result.backAt - result.mendedAt, 0),
              ...judge(result),
            },
          ]),
        ),
      },
      criteria: [
        atMost('a revocation seen by every edge, p99 in ms', all.p99_ms, promiseMs),
        atMost('refused once, accepted later', found.revived, 0),
        ...cuts.flatMap((result) => {
          const { broken, acceptedBack } = judge(result);
          return [
            atMost(`log cut, ${result.rule}: answers against the rule`, broken, 0),
            atMost(`log back, ${result.rule}: revoked tokens accepted`, acceptedBack, 0),
          ];
        }),
      ],
      tables: [
        {
          title: `Milliseconds from the answer until the last of ${edgeCount} edges refuses, beside ${background
            .map(([name, { offered }]) => `${offered.toFixed(0)} ${name}/s`)
            .join(' and ')}`,
          head: ['', 'revocations', 'at the first check', 'p50', 'p99', 'max'],
          rows: [...rows, ['all', all] as const].map(([name, row]) => [
            name,
            ...Object.values(row).map(String),
          ]),
        },
        {
          title: `The log cut for ${cutSizes.cutMs / 1000} s`,
          head: [
            'rule',
            'revoked meanwhile',
            'log back after ms',
            'last accepted after ms',
            'against the rule',
            'accepted once back',
            'answers during the cut',
          ],
          rows: cuts.map(cutRow),
        },
      ],
      chart: drawChart({
        heading: 'Revocations',
        notes: ['From the answer of a revocation until the last edge refuses the token'],
        panels: [
          {
            title: 'p99 until the last edge refuses',
            axis: 'ms',
            targets: [{ value: promiseMs, label: 'promise' }],
            limit: { most: promiseMs },
            bars: rows.map(([label, row]) => ({ label, values: [row.p99_ms] })),
          },
        ],
      }),
    };
  },
};
