/** The OAuth bench: what tokens for clients, refreshes and introspection cost one edge. */
import { drawChart } from './chart.js';
import { endpoints, type Measured, measureOauth, tokenCount } from './oauth-measure.js';
import { type Bench, round, roundInterval, showInterval } from './report.js';

const rowOf = (name: string, { rate, edgeUs, redisUs }: Measured) => [
  name,
  showInterval(rate),
  edgeUs.toFixed(1),
  redisUs.toFixed(1),
];

export const oauth: Bench = {
  about: 'client_credentials, refresh and introspection: requests per second and CPU of each',
  run: async (options) => {
    const measured = await measureOauth(options);
    const each = endpoints.map((name): [string, Measured] => [name, measured[name]]);
    return {
      parameters: { slices: options.pairs, tokens: tokenCount, edges: 1 },
      results: Object.fromEntries(
        each.map(([name, { rate, edgeUs, redisUs }]) => [
          name,
          {
            per_second: roundInterval(rate),
            cpu_us: { edge: round(edgeUs, 1), redis: round(redisUs, 1) },
          },
        ]),
      ),
      criteria: [],
      tables: [
        {
          title: 'One edge, one Redis',
          head: ['', 'requests/s [95 %]', 'edge µs', 'redis µs'],
          rows: each.map(([name, one]) => rowOf(name, one)),
        },
      ],
      chart: drawChart({
        heading: 'OAuth endpoints',
        notes: ['One edge and Redis; 16 connections that ask as fast as they are answered'],
        panels: [
          {
            title: 'Rate',
            axis: 'requests per second (median over slices, 95 % interval)',
            bars: each.map(([label, { rate }]) => ({
              label,
              values: [rate.median],
              interval: rate,
            })),
          },
          {
            title: 'Cost of one request',
            axis: 'CPU µs',
            parts: ['edge', 'redis'],
            bars: each.map(([label, { edgeUs, redisUs }]) => ({
              label,
              values: [edgeUs, redisUs],
            })),
          },
        ],
      }),
    };
  },
};
