/** GET /metrics: Prometheus text for the whole fleet. */
import type { Route } from '../../../shared/http.js';
import { printMetrics } from '../../../shared/metrics.js';
import type { Gather } from '../gather.js';

export const createMetricsRoute = ({ gather }: { gather: Pick<Gather, 'metrics'> }): Route => ({
  method: 'GET',
  path: '/metrics',
  body: 'none',
  handle: async () => ({
    status: 200,
    headers: { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' },
    text: await printMetrics(await gather.metrics()),
  }),
});
