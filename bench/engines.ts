/**
 * Which argon2 to build on? `@node-rs/argon2` in threads of ours against npm `argon2` in libuv's
 * pool, at two costs, on one and two threads, in alternating slices.
 */
import { drawChart } from './chart.js';
import type { EngineCalls, EngineName, HashCost } from './engine.js';
import { besideNeighbours } from './neighbours.js';
import { startPeer } from './peer.js';
import {
  type Bench,
  describeNoise,
  type Options,
  round,
  roundInterval,
  showInterval,
  showNoise,
} from './report.js';
import { compare } from './slices.js';
import { median, percentile } from './stats.js';

const costs: { name: string; cost: HashCost }[] = [
  { name: '19 MiB, t=2', cost: { memoryCost: 19_456, timeCost: 2, parallelism: 1 } },
  { name: '64 MiB, t=3', cost: { memoryCost: 65_536, timeCost: 3, parallelism: 1 } },
];
const threadCounts = [1, 2];
const span = { settleMs: 60, windowMs: 1000 };

type Measured = { hashesPerSecond: number; p50Ms: number };

const startEngine = async (engine: EngineName, threads: number, cost: HashCost) => {
  const peer = startPeer<EngineCalls>('engine.ts', { UV_THREADPOOL_SIZE: String(threads) });
  await peer.ask('prepare', { engine, threads, cost });
  return peer;
};

const summarise = (slices: { rate: number; latencies: number[] }[]): Measured => ({
  hashesPerSecond: round(median(slices.map(({ rate }) => rate)), 1),
  p50Ms: round(
    percentile(
      slices.flatMap(({ latencies }) => latencies),
      0.5,
    ),
    2,
  ),
});

const measure = async (
  threads: number,
  { name, cost }: (typeof costs)[number],
  options: Options,
) => {
  const ours = await startEngine('node-rs', threads, cost);
  const theirs = await startEngine('argon2', threads, cost);
  try {
    const { ratio, control, a, b, dropped, isNoisy } = await compare({
      ...besideNeighbours([ours.pid, theirs.pid], options, `${name}, ${threads} thread(s)`),
      a: () => ours.ask('slice', span),
      b: () => theirs.ask('slice', span),
    });
    return {
      name,
      threads,
      ratio,
      control,
      dropped,
      isNoisy,
      ours: summarise(a),
      theirs: summarise(b),
    };
  } finally {
    await Promise.all([ours.stop(), theirs.stop()]);
  }
};

type Result = Awaited<ReturnType<typeof measure>>;

const drawResults = (results: Result[]) => {
  const bars = (pick: (m: Measured) => number) =>
    results.flatMap((r) => [
      { label: `node-rs · ${r.name} · ${r.threads} thr`, values: [pick(r.ours), 0] },
      { label: `argon2 · ${r.name} · ${r.threads} thr`, values: [0, pick(r.theirs)] },
    ]);
  const parts = ['@node-rs/argon2, synchronous in threads', 'npm argon2, libuv pool'];
  return drawChart({
    heading: 'Two argon2 engines',
    notes: ['argon2id verification, alternating slices of 1 s, median over slices'],
    panels: [
      {
        title: 'Throughput',
        axis: 'hashes per second',
        parts,
        bars: bars((m) => m.hashesPerSecond),
      },
      { title: 'Time of one hash', axis: 'p50 in milliseconds', parts, bars: bars((m) => m.p50Ms) },
    ],
  });
};

const toRow = (r: Result): string[] => [
  `${r.name}, ${r.threads} thread(s)`,
  `${r.ours.hashesPerSecond}`,
  `${r.ours.p50Ms}`,
  `${r.theirs.hashesPerSecond}`,
  `${r.theirs.p50Ms}`,
  showInterval(r.ratio),
  r.control.a.median.toFixed(3),
  showNoise(r),
];

export const engines: Bench = {
  about: '@node-rs/argon2 in threads against npm argon2, two costs, one and two threads',
  run: async (options) => {
    const results: Result[] = [];
    for (const cost of costs)
      for (const threads of threadCounts) results.push(await measure(threads, cost, options));
    return {
      parameters: { pairs: options.pairs, slice_ms: span.windowMs, costs, threads: threadCounts },
      results: {
        engines: results.map((r) => ({
          cost: r.name,
          threads: r.threads,
          node_rs: { hashes_per_second: r.ours.hashesPerSecond, p50_ms: r.ours.p50Ms },
          argon2: { hashes_per_second: r.theirs.hashesPerSecond, p50_ms: r.theirs.p50Ms },
          ratio: roundInterval(r.ratio),
          control: roundInterval(r.control.a),
          ...describeNoise(r),
        })),
      },
      // No promise of the product is about an engine; the figures say why we build on this one.
      criteria: [],
      isNoisy: results.some((r) => r.isNoisy),
      tables: [
        {
          title: 'argon2id verification, hashes per second and p50 in ms',
          head: ['', 'node-rs/s', 'p50', 'argon2/s', 'p50', 'ratio [95 %]', 'A/A', 'dropped'],
          rows: results.map(toRow),
        },
      ],
      chart: drawResults(results),
    };
  },
};
