/** What is counted about other issuers and their tokens, read at each scrape. */
import type { Metrics, Sample } from '../../shared/metrics.js';
import { breakerStates } from './breaker.js';
import type { Issuers } from './issuers.js';

type Stats = ReturnType<Issuers['stats']>['issuers'][number];

const rows = (issuers: readonly Stats[], countsOf: (one: Stats) => Record<string, number>) =>
  issuers.flatMap((one): Sample[] =>
    Object.entries(countsOf(one)).map(([outcome, value]) => ({
      labels: { issuer: one.name, outcome },
      value,
    })),
  );

export const createIssuerMeters = ({
  metrics,
  issuers,
}: {
  metrics: Metrics;
  issuers: Pick<Issuers, 'stats'>;
}) => {
  metrics.computed(
    'external_checks_total',
    'Checks of tokens of other issuers: from memory (hit), with one under way (shared), or by what came out',
    'counter',
    () => rows(issuers.stats().issuers, (one) => one.checks),
  );
  metrics.computed(
    'external_calls_total',
    'Calls to other issuers; refused: not sent, because of the breaker or too many',
    'counter',
    () =>
      rows(issuers.stats().issuers, ({ line: { ok, failed, refused } }) => ({
        ok,
        failed,
        refused,
      })),
  );
  metrics.gauge(
    'external_breaker_state',
    'Edges that see an issuer so',
    ['issuer', 'state'],
    (gauge) => {
      for (const { name, line } of issuers.stats().issuers)
        for (const state of breakerStates)
          gauge.set({ issuer: name, state }, line.state === state ? 1 : 0);
    },
  );
  metrics.gauge(
    'external_keys_stale',
    'Edges that go on with keys of an issuer read over ten minutes ago, or have none',
    ['issuer'],
    (gauge) => {
      for (const { name, isStale } of issuers.stats().issuers)
        gauge.set({ issuer: name }, isStale ? 1 : 0);
    },
  );
  metrics.gauge(
    'external_cache_entries',
    'Tokens of other issuers in memory',
    ['outcome'],
    (gauge) => {
      const { good, refused } = issuers.stats().cache;
      gauge.set({ outcome: 'valid' }, good);
      gauge.set({ outcome: 'invalid' }, refused);
    },
  );
};
