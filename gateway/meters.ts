/**
 * What an edge knows of its token cache, its revocation log, its store and its connections, read at
 * each scrape.
 */
import type { Refusal } from '../shared/http-connections.js';
import type { Metrics } from '../shared/metrics.js';
import type { RedisClient } from '../shared/redis.js';
import type { CookieSessions } from './sessions/cookie-sessions.js';
import type { Revocations } from './tokens/revocations.js';
import type { Verifier } from './tokens/verify.js';

export const createMeters = ({
  metrics,
  redis,
  verifier,
  cookies,
  revocations,
}: {
  metrics: Metrics;
  redis: RedisClient;
  verifier: Pick<Verifier, 'stats'>;
  cookies: Pick<CookieSessions, 'stats'>;
  revocations: Pick<Revocations, 'stats'>;
}) => {
  const outcomes = ({ stats }: { stats: () => { hits: number; misses: number } }) => {
    const { hits, misses } = stats();
    return [
      { labels: { outcome: 'hit' }, value: hits },
      { labels: { outcome: 'miss' }, value: misses },
    ];
  };
  metrics.computed('token_cache_total', 'Token checks by cache outcome', 'counter', () =>
    outcomes(verifier),
  );
  metrics.computed('cookie_cache_total', 'Cookie checks by cache outcome', 'counter', () =>
    outcomes(cookies),
  );
  metrics.gauge('cookie_cache_entries', 'Checked session cookies in memory', [], (gauge) =>
    gauge.set(cookies.stats().size),
  );
  metrics.gauge('token_cache_entries', 'Verified tokens in memory', [], (gauge) =>
    gauge.set(verifier.stats().size),
  );
  metrics.gauge('revocations', 'Live entries of the revocation log in memory', [], (gauge) =>
    gauge.set(revocations.stats().entries),
  );
  metrics.gauge('revocation_log_age_seconds', 'Since the log was heard last', [], (gauge) =>
    gauge.set(revocations.stats().staleMs / 1000),
  );
  metrics.gauge('redis_connections', 'Connections to Redis that take commands', [], (gauge) =>
    gauge.set(redis.status === 'ready' ? 1 : 0),
  );
};

const tellEveryMs = 60_000;
const causes: Partial<Record<Refusal, string>> = {
  all: 'connections are cut off, this edge has as many as it may: raise MAX_CONNECTIONS or EDGES',
  client:
    'connections of one address are cut off, there are too many: if it is a proxy, name it in TRUSTED_PROXIES',
};

/** Of the public port. Thousands may be cut off within a second: they are counted, and told once a minute. */
export const createConnectionMeters = ({
  metrics,
  log,
  open,
}: {
  metrics: Metrics;
  log: { warn(fields: object, text: string): void };
  /** How many connections there are. */
  open: () => number;
}) => {
  const refused: Record<Refusal, number> = { all: 0, client: 0, pipeline: 0 };
  metrics.computed(
    'connections_refused_total',
    'Connections cut off, by the limit: of all, of one client, of requests waiting on one',
    'counter',
    () => Object.entries(refused).map(([reason, value]) => ({ labels: { reason }, value })),
  );
  metrics.gauge('connections', 'Connections of clients', [], (gauge) => gauge.set(open()));
  const toldAt = new Map<Refusal, number>();
  return {
    refused: (reason: Refusal): void => {
      refused[reason]++;
      const cause = causes[reason];
      const at = performance.now();
      if (cause === undefined || at - (toldAt.get(reason) ?? -tellEveryMs) < tellEveryMs) return;
      toldAt.set(reason, at);
      log.warn({ refused: refused[reason] }, cause);
    },
  };
};
