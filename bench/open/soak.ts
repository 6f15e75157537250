/** The soak (`npm run soak`): does anything grow or break in minutes of load and random faults? */
import { drawChart } from '../chart.js';
import { linePanel } from '../chart-lines.js';
import { atMost, type Bench, type Criterion, round } from '../report.js';
import type { Sample } from './generator.js';
import { series, showCodes, summarise } from './samples.js';
import { load, measureSoak, type Soak, warmShare } from './soak-measure.js';
import { lifeOf, type Reading, type Trend, trends } from './soak-watch.js';

/** Below it heaps are still on their way to their size: growth is shown, not judged. */
const judgedFromMinutes = 10;
const maxGrowth = 0.1;
/** Client connections come and go. */
const handleSlack = 10;
const mostFailures = 20;
/** Of a thousand logins, all with the right password: no answer but 200 and 503 overloaded is meant to come. */
const mostFailed = 0.1;
/** The store grows with sessions until each account has its 100. */
const judgedKinds = ['edges', 'primary', 'admin', 'nodes'];

const growthOf = ({ rssMiB }: Trend): number => rssMiB.last / rssMiB.first - 1;
const handlesOf = ({ handles }: Trend): number => handles.last - handles.first;

/** What is judged: the part in which heaps have their size. */
const spanOf = ({ minutes, readings }: Soak): Trend[] => trends(readings, warmShare * minutes * 60);
const judgedPercent = Math.round(100 * (1 - warmShare));

/** Whoever was answered neither 200 nor 503 overloaded. */
const isFailed = ({ status, code }: Sample): boolean => status !== 200 && code !== 'overloaded';
const perThousand = (count: number, { samples }: Soak): number => (1000 * count) / samples.length;

const judge = (soak: Soak): Criterion[] => {
  const judged = spanOf(soak).filter(({ kind }) => judgedKinds.includes(kind));
  const { internal = 0, reset = 0, refused = 0, gave_up = 0 } = whole(soak).codes;
  const always = [
    atMost('error lines in the logs', soak.proof.errors.length, 0),
    atMost('internal errors, lost connections', internal + reset + refused + gave_up, 0),
    atMost(
      'answered neither 200 nor overloaded, ‰',
      perThousand(soak.samples.filter(isFailed).length, soak),
      mostFailed,
    ),
    atMost('requests audited twice', soak.proof.auditedTwice, 0),
  ];
  if (soak.minutes < judgedFromMinutes) return always;
  return [
    atMost(
      `growth of memory in the last ${judgedPercent} %, worst process`,
      Math.max(...judged.map(growthOf)),
      maxGrowth,
    ),
    atMost(
      `growth of handles in the last ${judgedPercent} %, worst process`,
      Math.max(...judged.map(handlesOf)),
      handleSlack,
    ),
    ...always,
  ];
};

const whole = ({ minutes, samples }: Soak) =>
  summarise(samples, { fromMs: 0, toMs: minutes * 60_000 });

const showGrowth = (trend: Trend | undefined): string =>
  trend === undefined ? '–' : `${(100 * growthOf(trend)).toFixed(1)} %`;

const trendRow =
  ({ readings }: Soak) =>
  (trend: Trend): string[] => [
    `${trend.kind} ${trend.pid}`,
    trend.rssMiB.first.toFixed(1),
    trend.rssMiB.last.toFixed(1),
    showGrowth(trend),
    showGrowth(lifeOf(readings, trend.pid)),
    `${trend.handles.first} → ${trend.handles.last}`,
  ];

/** The worst process of each kind, those included that are not judged. */
const growthRows = (soak: Soak): string[][] => {
  const all = spanOf(soak);
  const isJudged = soak.minutes >= judgedFromMinutes;
  return [...new Set(all.map(({ kind }) => kind))].map((kind) => {
    const its = all.filter((trend) => trend.kind === kind);
    return [
      kind,
      String(its.length),
      `${(100 * Math.max(...its.map(growthOf))).toFixed(1)} %`,
      Math.max(...its.map(handlesOf)).toFixed(0),
      isJudged && judgedKinds.includes(kind) ? 'judged' : 'shown only',
    ];
  });
};

const codeRows = (soak: Soak): string[][] => {
  const rowOf = (name: string, count: number) => [
    name,
    String(count),
    perThousand(count, soak).toFixed(3),
  ];
  const { ok, codes } = whole(soak);
  return [
    rowOf('served', ok),
    ...Object.entries(codes).map(([code, count]) => rowOf(code, count)),
    rowOf('neither served nor overloaded', soak.samples.filter(isFailed).length),
  ];
};

/** Those who failed, and what had happened last. */
const failureRows = ({ samples, happenings }: Soak): string[][] =>
  samples
    .filter(isFailed)
    .slice(0, mostFailures)
    .map(({ at, code }) => {
      const seconds = at / 1000;
      const last = happenings.findLast((happening) => happening.at <= seconds);
      const after = last && `${(seconds - last.at).toFixed(1)} s after ${last.label}`;
      return [seconds.toFixed(1), code, after ?? 'before anything happened'];
    });

/** All processes of a kind together: those that were replaced show as steps. */
const kindLine = (readings: readonly Reading[], kind: string) => {
  const sums = new Map<number, number>();
  for (const reading of readings)
    if (reading.kind === kind) sums.set(reading.at, (sums.get(reading.at) ?? 0) + reading.rssMiB);
  return { name: kind, points: [...sums].map(([x, y]) => ({ x, y })) };
};

const draw = (soak: Soak): string => {
  const { minutes, samples, happenings, readings } = soak;
  const steps = series(samples, Math.max(1000, minutes * 500));
  const line = (name: string, pick: (step: (typeof steps)[number]) => number) => ({
    name,
    points: steps.map((step) => ({ x: step.fromMs / 1000, y: pick(step) })),
  });
  const marks = minutes <= 2 ? happenings.map(({ at, label }) => ({ x: at, label })) : [];
  return drawChart({
    heading: `Soak: ${minutes} min at ${load} of the capacity, ${happenings.length} faults`,
    notes: [`${samples.length} logins; ${showCodes(whole(soak).codes)}`],
    panels: [
      linePanel({
        title: 'Memory of all processes of a kind',
        axis: 'MiB resident',
        lines: ['edges', 'nodes', 'primary', 'admin', 'redis'].map((kind) =>
          kindLine(readings, kind),
        ),
        marks,
      }),
      linePanel({
        title: 'Logins',
        axis: 'per second',
        lines: [line('offered', (s) => s.offered), line('served', (s) => s.goodput)],
      }),
      linePanel({
        title: 'Latency',
        axis: 'p99, p50 in ms',
        lines: [line('p99', (s) => s.p99Ms), line('p50', (s) => s.p50Ms)],
      }),
    ],
  });
};

export const soak: Bench = {
  about: 'minutes of load with random faults (--minutes 20): memory, handles, error lines',
  run: async (options) => {
    const found = await measureSoak(options);
    const { minutes, capacity, perSecond, happenings, proof } = found;
    const { sent, ok, p50Ms, p99Ms, maxMs, codes } = whole(found);
    return {
      parameters: { minutes, load, warm_share: warmShare },
      results: {
        capacity: round(capacity, 1),
        offered: round(perSecond, 1),
        ...{ sent, served: ok, codes, p50_ms: round(p50Ms, 1), p99_ms: round(p99Ms, 1) },
        slowest_ms: round(maxMs, 1),
        faults: happenings,
        trends: spanOf(found),
        whole_lives: spanOf(found).map(({ pid }) => lifeOf(found.readings, pid)),
        failed_per_thousand: round(perThousand(found.samples.filter(isFailed).length, found), 4),
        error_lines: proof.errors.length,
        first_errors: proof.errors.slice(0, 5),
      },
      criteria: judge(found),
      tables: [
        {
          title: `${minutes} min, ${happenings.length} faults, ${perSecond.toFixed(0)} logins/s`,
          head: [
            'sent',
            'served',
            'p50 ms',
            'p99 ms',
            'slowest ms',
            'error lines',
            'audited twice',
          ],
          rows: [
            [
              ...[sent, ok].map(String),
              ...[p50Ms, p99Ms, maxMs].map((ms) => ms.toFixed(0)),
              ...[proof.errors.length, proof.auditedTwice].map(String),
            ],
          ],
        },
        { title: 'Answers', head: ['', 'logins', '‰ of the sent'], rows: codeRows(found) },
        {
          title: `Growth in the last ${judgedPercent} %, the worst process of each kind`,
          head: ['', 'processes', 'memory', 'handles', ''],
          rows: growthRows(found),
        },
        {
          title: `Processes that lived through the last ${judgedPercent} %: medians of its first and last quarter`,
          head: ['', 'MiB first', 'last', 'growth', 'since its start', 'handles'],
          rows: spanOf(found).map(trendRow(found)),
        },
        {
          title: 'Failed otherwise than by overloaded',
          head: ['at s', 'code', 'when'],
          rows: failureRows(found),
        },
        {
          title: 'Error lines',
          head: ['first of them'],
          rows: proof.errors.slice(0, 5).map((text) => [text.slice(0, 160)]),
        },
      ],
      chart: draw(found),
    };
  },
};
