/** The picture of the verify bench: rate against the bare server, CPU per check, and the flood. */
import { drawChart } from './chart.js';
import { median } from './stats.js';
import type { VerifyResult } from './verify-measure.js';

const rateOf = (slices: readonly { rate: number }[]) => median(slices.map(({ rate }) => rate));

export const drawVerify = ({ warm, cpu, flood }: VerifyResult, floodLimitMs: number): string => {
  const bare = rateOf(warm.b);
  return drawChart({
    heading: 'Token checks',
    notes: [
      `One edge against a bare node:http server with the same headers: ratio ${warm.ratio.median.toFixed(3)} ` +
        `[${warm.ratio.low.toFixed(3)}, ${warm.ratio.high.toFixed(3)}]`,
    ],
    panels: [
      {
        title: 'Warm tokens, one process each',
        axis: 'requests per second',
        bars: [
          { label: 'bare node:http', values: [bare] },
          { label: 'edge, /v1/verify', values: [rateOf(warm.a)] },
        ],
        targets: [{ value: 0.8 * bare, label: '0.8 × bare' }],
      },
      {
        title: 'Cost of one check',
        axis: 'CPU µs per check in the serving process',
        bars: [
          { label: 'bare node:http', values: [cpu.bareUs] },
          { label: 'token seen before', values: [cpu.warmUs] },
          { label: 'token seen first', values: [cpu.coldUs] },
        ],
        targets: [{ value: 200, label: '200 µs' }],
        limit: { most: 200 },
      },
      {
        title: 'A login flood, felt at /v1/verify (500 checks a second)',
        axis: 'p99 latency in milliseconds (median over slices of 3 s, 95 % interval)',
        bars: [
          { label: 'idle', values: [flood.idle.median], interval: flood.idle },
          { label: 'all nodes saturated', values: [flood.flood.median], interval: flood.flood },
        ],
        targets: [{ value: floodLimitMs, label: 'promise' }],
        limit: { most: floodLimitMs },
      },
    ],
  });
};
