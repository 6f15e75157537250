/** The audit lines of an answer, whatever LOG_LEVEL says. */
import t from 'tap';
import { createLog } from '../../shared/log.js';
import { createMetrics } from '../../shared/metrics.js';
import { raw, serveRoutes } from '../../shared/test/serve-routes.js';
import { createAddresses } from '../address.js';
import { createObserve } from '../observe.js';

const routes = ['/v1/logout', '/v1/verify'].map((path) => ({
  ...{ method: 'POST', path, body: 'none' as const },
  handle: () => ({ status: 204 }),
}));

for (const level of ['info', 'warn', 'silent'])
  t.test(`LOG_LEVEL=${level} keeps the audit lines`, async (t) => {
    const lines: Record<string, unknown>[] = [];
    const stream = { write: (text: string) => void lines.push(JSON.parse(text)) };
    const log = createLog({ level, role: 'edge', stream });
    const metrics = createMetrics({ defaults: false });
    const addresses = createAddresses({ trustedProxies: [], log, metrics });
    const observe = createObserve({ metrics, log, addresses });
    const { port } = await serveRoutes(t, { routes, observe });
    for (const { path } of routes)
      await raw(port, `POST ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
    log.info({}, 'another line');
    t.match(lines[0], { level: 30, audit: 'logout', outcome: 'ok', status: 204, role: 'edge' });
    t.equal(lines.length, level === 'info' ? 2 : 1);
  });
