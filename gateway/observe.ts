/**
 * What leaves a trace of every answer: request metrics for all routes, and one audit line per
 * outcome for those that change or prove something. Token checks are counted, not logged.
 */
import type { ErrorCode } from '../shared/errors.js';
import type { Ctx } from '../shared/http.js';
import { auditLog, type Log } from '../shared/log.js';
import type { Metrics, Sample } from '../shared/metrics.js';
import type { Addresses } from './address.js';

const audited: Record<string, string> = {
  '/v1/users': 'register',
  '/v1/login': 'login',
  '/v1/refresh': 'refresh',
  '/v1/password': 'password_change',
  '/v1/logout': 'logout',
  '/oauth/token': 'oauth_token',
  '/oauth/revoke': 'oauth_revoke',
  '/v1/sessions': 'sessions_end',
  '/users': 'admin_user',
  '/users/import': 'admin_import_batch',
  '/users/export': 'admin_export',
  '/nodes': 'admin_node',
  '/clients': 'admin_client',
  '/keys/rotate': 'admin_key',
  '/campaigns': 'admin_campaign',
  '/campaigns/share': 'admin_campaign',
};
/** Asked as often as tokens are checked: only what is refused is logged. */
const auditedFailures: Record<string, string> = { '/oauth/introspect': 'oauth_introspect' };
const bounds = [
  0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.45, 0.6, 1, 1.5, 2.5,
];

/** Answers of one route with one outcome. `counts[i]` are those up to `bounds[i]`, not cumulative. */
type Cell = {
  route: string;
  status: number;
  code: ErrorCode | '';
  counts: Uint32Array;
  seconds: number;
};

const newCell = (route: string, status: number, code: ErrorCode | ''): Cell => ({
  route,
  status,
  code,
  counts: new Uint32Array(bounds.length + 1),
  seconds: 0,
});

const total = ({ counts }: Cell): number => counts.reduce((sum, n) => sum + n, 0);

const record = (cell: Cell, seconds: number) => {
  let at = 0;
  while (seconds > (bounds[at] ?? Number.POSITIVE_INFINITY)) at++;
  cell.counts[at] = (cell.counts[at] ?? 0) + 1;
  cell.seconds += seconds;
};

/** Prometheus rows: cumulative buckets, sum and count. */
const histogramRows = (cell: Cell): Sample[] => {
  const labels = { route: cell.route, status: cell.status };
  let seen = 0;
  const buckets = [...cell.counts].map((count, at) => {
    seen += count;
    const le = bounds[at] ?? '+Inf';
    return { labels: { ...labels, le }, value: seen, metricName: 'request_seconds_bucket' };
  });
  return [
    ...buckets,
    { labels, value: cell.seconds, metricName: 'request_seconds_sum' },
    { labels, value: seen, metricName: 'request_seconds_count' },
  ];
};

export const createObserve = ({
  metrics,
  log,
  addresses,
}: {
  metrics: Metrics;
  log: Log;
  addresses: Addresses;
}) => {
  // Counted in plain numbers: prom-client's own took 6 % of a token check.
  const cells = new Map<string, Map<ErrorCode | number, Cell>>();
  const all = () => [...cells.values()].flatMap((ofRoute) => [...ofRoute.values()]);
  metrics.computed('requests_total', 'Answers by route, status and error code', 'counter', () =>
    all().map((cell) => ({
      labels: { route: cell.route, status: cell.status, code: cell.code },
      value: total(cell),
    })),
  );
  metrics.computed(
    'request_seconds',
    'Time from the complete request to the answer',
    'histogram',
    () => all().flatMap(histogramRows),
  );

  const addCell = (route: string, status: number, code: ErrorCode | ''): Cell => {
    const cell = newCell(route, status, code);
    const ofRoute = cells.get(route) ?? new Map<ErrorCode | number, Cell>();
    cells.set(route, ofRoute.set(code === '' ? status : code, cell));
    return cell;
  };

  const lines = auditLog(log);
  const audit = (ctx: Ctx, event: string, status: number, code: string, ms: number) => {
    lines.info(
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
    const cell = cells.get(route)?.get(code === '' ? status : code);
    record(cell ?? addCell(route, status, code), ms / 1000);
    const event = audited[route] ?? (code === '' ? undefined : auditedFailures[route]);
    if (event !== undefined && ctx.req.method !== 'GET') audit(ctx, event, status, code, ms);
  };
};
