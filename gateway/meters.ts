/** What an edge knows of its token cache, its revocation log and its store, read at each scrape. */
import type { Metrics } from '../shared/metrics.js';
import type { RedisClient } from '../shared/redis.js';
import type { CookieSessions } from './cookie-sessions.js';
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
  metrics.gauge('redis_connections', 'Connections to Redis that take commands', [], (gauge) =>
    gauge.set(redis.status === 'ready' ? 1 : 0),
  );
};
