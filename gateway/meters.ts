/** What an edge knows of its token cache, its revocation log and its store, read at each scrape. */
import type { Metrics } from '../shared/metrics.js';
import type { RedisClient } from '../shared/redis.js';
import type { Revocations } from './tokens/revocations.js';
import type { Verifier } from './tokens/verify.js';

export const createMeters = ({
  metrics,
  redis,
  verifier,
  revocations,
}: {
  metrics: Metrics;
  redis: RedisClient;
  verifier: Pick<Verifier, 'stats'>;
  revocations: Pick<Revocations, 'stats'>;
}) => {
  metrics.computed('token_cache_total', 'Token checks by cache outcome', 'counter', () => {
    const { hits, misses } = verifier.stats();
    return [
      { labels: { outcome: 'hit' }, value: hits },
      { labels: { outcome: 'miss' }, value: misses },
    ];
  });
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
