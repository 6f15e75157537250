/** The flood bench: more logins than one edge can look at; do token checks, and who else comes, notice? */
import { drawChart } from '../chart.js';
import { atLeast, atMost, type Bench, type Criterion, round } from '../report.js';
import { checksPerSecond, type Level, measureFlood } from './flood-measure.js';
import type { Summary } from './samples.js';

/** Of the checks, while the edge is busy without a pause. */
const targetP50Ms = 20;
const targetBusy = 0.7;
const targetEdgeUs = 50;
const targetMiB = 20;

const failedOf = ({ sent, ok }: Summary): number => sent - ok;

const grownMiB = ({ edgeMiB: { first, last } }: Level): number => last - first;

const describeLogins = ({ clients, logins, unreadShare, busyShare }: Level) => ({
  clients,
  answered_per_s: round(logins.offered, 0),
  served_per_s: round(logins.goodput, 1),
  thread_busy: round(busyShare, 2),
  refused_unread: round(unreadShare, 2),
  refused_p50_ms: round(logins.refusedP50Ms, 1),
  refused_p99_ms: round(logins.refusedP99Ms, 1),
});

const describeChecks = ({ kept, fresh }: Level) => ({
  checks_p50_ms: round(kept.p50Ms, 1),
  checks_p99_ms: round(kept.p99Ms, 1),
  new_checks_p50_ms: round(fresh.p50Ms, 1),
  new_checks_p99_ms: round(fresh.p99Ms, 1),
  checks_failed: failedOf(kept) + failedOf(fresh),
});

const describe = (level: Level) => ({
  ...describeLogins(level),
  ...describeChecks(level),
  edge_cpu_us_per_login: level.clients === 0 ? null : round(level.edgeCpuUs, 0),
  edge_mib: { first: round(level.edgeMiB.first, 0), last: round(level.edgeMiB.last, 0) },
});

const judge = (level: Level): Criterion[] => {
  const { clients, kept, fresh, busyShare, edgeCpuUs } = level;
  return [
    atMost(`${clients}: checks, p50 ms`, kept.p50Ms, targetP50Ms),
    atMost(`${clients}: checks on new connections, p50 ms`, fresh.p50Ms, targetP50Ms),
    atMost(`${clients}: checks that failed`, failedOf(kept) + failedOf(fresh), 0),
    atLeast(`${clients}: the hash thread was busy`, busyShare, targetBusy),
    atMost(`${clients}: CPU of the edge per login, µs`, edgeCpuUs, targetEdgeUs),
    atMost(`${clients}: memory of the edge grown, MiB`, grownMiB(level), targetMiB),
  ];
};

const show = (first: number, second: number): string => `${first}, ${second}`;

const tableOf = (rows: readonly ReturnType<typeof describe>[], capacity: number) => ({
  title: `One edge on a core of its own; a node with one thread: ${capacity.toFixed(0)} logins/s`,
  head: [
    'clients',
    'logins/s',
    'served/s',
    'thread busy',
    'refused unread',
    'refused p50, p99 ms',
    'checks p50, p99 ms',
    'on new connections',
    'failed',
    'edge µs, MiB',
  ],
  rows: rows.map((row) => [
    String(row.clients),
    String(row.answered_per_s),
    String(row.served_per_s),
    row.thread_busy.toFixed(2),
    row.refused_unread.toFixed(2),
    row.clients === 0 ? '–' : show(row.refused_p50_ms, row.refused_p99_ms),
    show(row.checks_p50_ms, row.checks_p99_ms),
    show(row.new_checks_p50_ms, row.new_checks_p99_ms),
    String(row.checks_failed),
    `${row.edge_cpu_us_per_login ?? '–'}, ${row.edge_mib.first} → ${row.edge_mib.last}`,
  ]),
});

export const flood: Bench = {
  about: 'more logins than an edge can look at, on kept connections: token checks beside them',
  run: async (options) => {
    const { capacity, levels } = await measureFlood(options);
    const rows = levels.map(describe);
    return {
      parameters: {
        checks_per_second: checksPerSecond,
        seconds_per_level: options.durationSeconds,
      },
      results: { capacity: round(capacity, 1), levels: rows },
      criteria: levels.filter(({ clients }) => clients > 0).flatMap(judge),
      tables: [tableOf(rows, capacity)],
      chart: drawChart({
        heading: 'Token checks in a flood of logins',
        notes: ['Clients keep their connections and ask again at once; one edge.'],
        panels: [
          {
            title: 'Latency of token checks by number of clients',
            axis: 'p50 in ms: on kept, on new connections',
            bars: rows.map((row) => ({
              label: String(row.clients),
              values: [row.checks_p50_ms, row.new_checks_p50_ms],
            })),
          },
        ],
      }),
    };
  },
};
