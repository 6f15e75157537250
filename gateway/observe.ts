/**
 * What leaves a trace of every answer: request metrics for all routes, and one audit line per
 * outcome for those that change or prove something. Token checks are counted, not logged.
 */
import type { IncomingMessage } from 'node:http';
import type { ErrorCode } from '../shared/errors.js';
import type { Ctx } from '../shared/http.js';
import { auditLog, type Log } from '../shared/log.js';
import type { Metrics } from '../shared/metrics.js';
import { createTally, type Tally } from '../shared/tally.js';

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

/** Answers of one route with one outcome; those of one status share their times. */
type Cell = { route: string; status: number; code: ErrorCode | ''; count: number; times: Tally };

export const createObserve = ({
  metrics,
  log,
  addresses,
}: {
  metrics: Metrics;
  log: Log;
  /** Of the client, as an audit line has it. */
  addresses: { of: (req: IncomingMessage) => { address: string } };
}) => {
  // Counted in plain numbers: prom-client's own took 6 % of a token check.
  const cells = new Map<string, Map<ErrorCode | number, Cell>>();
  const all = () => [...cells.values()].flatMap((ofRoute) => [...ofRoute.values()]);
  metrics.computed('requests_total', 'Answers by route, status and error code', 'counter', () =>
    all().map(({ count, times: _, ...labels }) => ({ labels, value: count })),
  );
  metrics.computed(
    'request_seconds',
    'Time from the complete request to the answer',
    'histogram',
    () => {
      const byTimes = new Map(all().map(({ times, route, status }) => [times, { route, status }]));
      return [...byTimes].flatMap(([times, labels]) => times.rows('request_seconds', labels));
    },
  );

  const addCell = (route: string, status: number, code: ErrorCode | ''): Cell => {
    const ofRoute = cells.get(route) ?? new Map<ErrorCode | number, Cell>();
    const sibling = [...ofRoute.values()].find((cell) => cell.status === status);
    const times = sibling?.times ?? createTally(bounds);
    const cell = { route, status, code, count: 0, times };
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
        client: addresses.of(ctx.req).address,
        ms: Math.round(ms * 10) / 10,
        ...ctx.facts,
      },
      event,
    );
  };

  return (ctx: Ctx, route: string, status: number, code: ErrorCode | '' = '') => {
    const ms = performance.now() - ctx.arrivedAt;
    const known = cells.get(route)?.get(code === '' ? status : code);
    const cell = known ?? addCell(route, status, code);
    cell.count++;
    cell.times.add(ms / 1000);
    const event = audited[route] ?? (code === '' ? undefined : auditedFailures[route]);
    const isLook = ctx.req.method === 'GET' || ctx.req.method === 'HEAD';
    if (event !== undefined && !isLook) audit(ctx, event, status, code, ms);
  };
};
