/** GET /metrics: everything this node counts, as JSON; the admin port merges and prints it. */
import type { Route } from '../../shared/http.js';
import type { Metrics } from '../../shared/metrics.js';

export const createMetricsRoute = ({ metrics }: { metrics: Metrics }): Route => ({
  method: 'GET',
  path: '/metrics',
  body: 'none',
  handle: async () => ({ status: 200, body: await metrics.json() }),
});
