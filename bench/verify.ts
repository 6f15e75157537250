/** The verify bench: are token checks fast, and do they stay fast while a crowd signs in? */
import type { Slice } from './closed-loop.js';
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
import { drawVerify } from './verify-chart.js';
import {
  checksPerSecond,
  type Flood,
  floodSpan,
  logEntries,
  measureVerify,
  span,
  tokenCount,
} from './verify-measure.js';

const floodLimit = ({ idle }: Flood): number => Math.max(2 * idle.median, idle.median + 5);

export const verify: Bench = {
  about:
    'token checks against a bare node:http server, cold tokens, and checks during a login flood',
  run: async (options) => {
    const { warm, cpu, flood } = await measureVerify(options);
    const rate = (slices: Slice[]) => median(slices.map((slice) => slice.rate));
    return {
      parameters: {
        pairs: options.pairs,
        nodes: options.nodes.at(-1),
        tokens: tokenCount,
        live_log_entries: logEntries,
        checks_per_second: checksPerSecond,
        slice_ms: { warm: span.windowMs, flood: floodSpan.windowMs },
      },
      results: {
        ratio: {
          ...roundInterval(warm.ratio),
          ...describeNoise(warm),
          checks_per_second: round(rate(warm.a), 0),
          bare_per_second: round(rate(warm.b), 0),
          control_edge: roundInterval(warm.control.a),
          control_bare: roundInterval(warm.control.b),
        },
        cpu_us: {
          warm: round(cpu.warmUs, 1),
          cold: round(cpu.coldUs, 1),
          signature: round(cpu.signatureUs, 1),
          bare: round(cpu.bareUs, 1),
        },
        flood: {
          idle_p99_ms: roundInterval(flood.idle),
          flood_p99_ms: roundInterval(flood.flood),
          idle_p50_ms: round(flood.idleP50),
          flood_p50_ms: round(flood.floodP50),
          failed: flood.lost,
          ...describeNoise(flood),
        },
      },
      criteria: [
        atLeast('ratio, warm', warm.ratio.median, 0.7),
        atLeast('ratio, warm (promise)', warm.ratio.median, 0.8),
        atMost('cold, CPU µs', cpu.coldUs, 200),
        atMost('flood p99, ms', flood.flood.median, floodLimit(flood)),
        atMost('failed checks', flood.lost, 0),
      ],
      isNoisy: warm.isNoisy || flood.isNoisy,
      tables: [
        {
          title: 'Warm tokens, one process each',
          head: ['', 'checks/s', 'bare/s', 'ratio [95 %]', 'A/A edge', 'A/A bare', 'dropped'],
          rows: [
            [
              `${tokenCount} tokens`,
              rate(warm.a).toFixed(0),
              rate(warm.b).toFixed(0),
              showInterval(warm.ratio),
              warm.control.a.median.toFixed(3),
              warm.control.b.median.toFixed(3),
              showNoise(warm),
            ],
          ],
        },
        {
          title: 'CPU µs per check',
          head: ['', 'bare', 'warm', 'cold', 'its signature alone'],
          rows: [
            [
              '',
              ...[cpu.bareUs, cpu.warmUs, cpu.coldUs, cpu.signatureUs].map((us) => us.toFixed(1)),
            ],
          ],
        },
        {
          title: `Checks at ${checksPerSecond}/s, latency in ms (medians over slices)`,
          head: ['', 'p50', 'p99 [95 %]', 'dropped'],
          rows: [
            ['idle', flood.idleP50.toFixed(2), showInterval(flood.idle), showNoise(flood)],
            [
              'logins saturate all nodes',
              flood.floodP50.toFixed(2),
              showInterval(flood.flood),
              showNoise(flood),
            ],
          ],
        },
      ],
      chart: drawVerify({ warm, cpu, flood }, floodLimit(flood)),
    };
  },
};
