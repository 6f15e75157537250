/** The audit lines of an answer, whatever LOG_LEVEL says. */
import t from 'tap';
import { AppError } from '../../shared/errors.js';
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

t.test(
  'errors of one status are counted one by one, their times together: no series twice',
  async (t) => {
    const metrics = createMetrics({ defaults: false });
    const log = createLog({ level: 'silent', role: 'edge', stream: { write: () => {} } });
    const addresses = createAddresses({ trustedProxies: [], log, metrics });
    const observe = createObserve({ metrics, log, addresses });
    const errors = ['overloaded', 'store_unavailable', 'no_node'] as const;
    const failing = errors.map((code) => ({
      ...{ method: 'POST', path: `/v1/verify/${code}`, body: 'none' as const },
      handle: () => {
        throw new AppError(code);
      },
    }));
    const { port } = await serveRoutes(t, {
      routes: failing,
      observe: (ctx, _, status, code) => observe(ctx, '/v1/verify', status, code),
    });
    for (const { path } of failing)
      await raw(port, `POST ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
    const rows = (await metrics.text()).split('\n').filter((line) => /^[a-z]/.test(line));
    const series = rows.map((row) => row.slice(0, row.lastIndexOf(' ')));
    t.equal(new Set(series).size, series.length);
    for (const code of errors) {
      const labels = `route="/v1/verify",status="503",code="${code}"`;
      t.ok(rows.includes(`floodgate_requests_total{${labels}} 1`), code);
    }
    t.ok(rows.includes('floodgate_request_seconds_count{route="/v1/verify",status="503"} 3'));
  },
);

t.test('looking leaves no audit line, by HEAD neither', async (t) => {
  const lines: string[] = [];
  const metrics = createMetrics({ defaults: false });
  const log = createLog({
    ...{ level: 'info', role: 'edge' },
    stream: { write: (text: string) => void lines.push(text) },
  });
  const addresses = createAddresses({ trustedProxies: [], log, metrics });
  const observe = createObserve({ metrics, log, addresses });
  const path = '/v1/sessions';
  const handle = () => ({ status: 200, body: {} });
  const { port } = await serveRoutes(t, {
    routes: ['GET', 'DELETE'].map((method) => ({ method, path, body: 'none' as const, handle })),
    observe,
  });
  for (const method of ['GET', 'HEAD', 'DELETE'])
    await raw(port, `${method} ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
  t.equal(lines.length, 1, 'of the end of sessions');
});
