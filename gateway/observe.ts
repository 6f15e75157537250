/**
 * What leaves a trace of every answer: request metrics for all routes, and one audit line per
 * outcome for those that change or prove something. Token checks are counted, not logged.
 */
import type { ErrorCode } from '../shared/errors.js';
import type { Ctx } from '../shared/http.js';
import type { Log } from '../shared/log.js';
import type { Metrics } from '../shared/metrics.js';
import type { Addresses } from './address.js';

const audited: Record<string, string> = {
  '/v1/users': 'register',
  '/v1/login': 'login',
  '/v1/refresh': 'refresh',
  '/v1/password': 'password_change',
  '/v1/logout': 'logout',
  '/users': 'admin_import',
  '/nodes': 'admin_node',
};
const buckets = [
  0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.45, 0.6, 1, 1.5, 2.5,
];

export const createObserve = ({
  metrics,
  log,
  addresses,
}: {
  metrics: Metrics;
  log: Log;
  addresses: Addresses;
}) => {
  const requests = metrics.counter('requests_total', 'Answers by route, status and error code', [
    'route',
    'status',
    'code',
  ]);
  const seconds = metrics.histogram(
    'request_seconds',
    'Time from the complete request to the answer',
    ['route'],
    buckets,
  );
  // Bound once per label set: looking labels up costs more than the rest of a token check.
  type Bound = { count: () => void; time: (s: number) => void };
  const bound = new Map<string, Map<ErrorCode | number, Bound>>();

  const bind = (route: string, status: number, code: ErrorCode | ''): Bound => {
    const counter = requests.labels(route, String(status), code);
    const histogram = seconds.labels(route);
    const handles = { count: () => counter.inc(), time: (s: number) => histogram.observe(s) };
    const ofRoute = bound.get(route) ?? new Map<ErrorCode | number, Bound>();
    bound.set(route, ofRoute.set(code === '' ? status : code, handles));
    return handles;
  };

  const audit = (ctx: Ctx, event: string, status: number, code: string, ms: number) => {
    log.info(
      {
        audit: event,
        outcome: code === '' ? 'ok' : code,
        status,
        request_id: ctx.requestId,
        client: addresses.callerOf(ctx.req).address,
        ms: Math.round(ms * 10) / 10,
        ...ctx.facts,
      },
      event,
    );
  };

  return (ctx: Ctx, route: string, status: number, code: ErrorCode | '' = '') => {
    const ms = performance.now() - ctx.arrivedAt;
    const known = bound.get(route)?.get(code === '' ? status : code);
    const handles = known ?? bind(route, status, code);
    handles.count();
    handles.time(ms / 1000);
    const event = audited[route];
    if (event !== undefined) audit(ctx, event, status, code, ms);
  };
};
