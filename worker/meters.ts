/** What a node counts, in plain numbers (see tally), and the gauges of it. */
import type { ErrorCode } from '../shared/errors.js';
import type { Metrics, Sample } from '../shared/metrics.js';
import type { Load } from '../shared/protocol.js';
import { createTally, type Tally } from '../shared/tally.js';
import type { Outcome } from './campaigns/wrap-record.js';
import type { Watch } from './passwords/admission.js';
import type { MigrationOutcome } from './passwords/migrate.js';

export type Meters = ReturnType<typeof createMeters>;

const hashBounds = [0.005, 0.01, 0.015, 0.02, 0.03, 0.05, 0.075, 0.1, 0.2, 0.5, 1, 2.5];
const waitBounds = [0, 0.005, 0.01, 0.02, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 1, 2.5];

/** Counts by two labels without building a string per event. */
const createCounts = () => {
  const root = new Map<string, Map<string, number>>();
  return {
    add: (a: string, b: string) => {
      const row = root.get(a);
      if (row === undefined) root.set(a, new Map([[b, 1]]));
      else row.set(b, (row.get(b) ?? 0) + 1);
    },
    rows: (nameA: string, nameB: string): Sample[] =>
      [...root].flatMap(([a, row]) =>
        [...row].map(([b, value]) => ({ labels: { [nameA]: a, [nameB]: b }, value })),
      ),
  };
};

export const createMeters = (metrics: Metrics) => {
  const hashes = new Map<string, Tally>();
  const queued = createTally(waitBounds);
  const predicted = createTally(waitBounds);
  const decisions = createCounts();
  const answers = createCounts();
  const migrations = metrics.counter('migrations_total', 'Hash migrations by outcome', ['outcome']);
  const campaign = metrics.counter('campaign_records_total', 'Records settled by campaigns', [
    'outcome',
  ]);
  const keysMissing = metrics.counter(
    'password_keys_missing_total',
    'Records that need a key which this node does not have',
  );
  const stalls = metrics.counter('stalls_total', 'Event loop stalls that closed the self-fence');

  metrics.computed('hash_seconds', 'Time in a hash thread by kind of work', 'histogram', () =>
    [...hashes].flatMap(([kind, tally]) => tally.rows('hash_seconds', { kind })),
  );
  metrics.computed('hash_queue_seconds', 'Time between record and thread', 'histogram', () =>
    queued.rows('hash_queue_seconds', {}),
  );
  metrics.computed('predicted_wait_seconds', 'Wait predicted at admission', 'histogram', () =>
    predicted.rows('predicted_wait_seconds', {}),
  );
  metrics.computed('admission_total', 'Admission decisions by class', 'counter', () =>
    decisions.rows('class', 'decision'),
  );
  metrics.computed('node_answers_total', 'Answers by route and error code', 'counter', () =>
    answers.rows('route', 'code'),
  );

  const watch: Watch = {
    decided: (cls, decision, waitMs) => {
      decisions.add(cls, decision);
      if (decision === 'admitted' || decision === 'full') predicted.add(waitMs / 1000);
    },
    served: (kind, tookMs, queuedMs) => {
      const tally = hashes.get(kind) ?? createTally(hashBounds);
      hashes.set(kind, tally);
      tally.add(tookMs / 1000);
      queued.add(queuedMs / 1000);
    },
  };

  /** Gauges computed at each scrape. */
  const watchState = (load: () => Load, isStoreUp: () => boolean) => {
    metrics.gauge('node_inflight', 'Admitted and not finished', [], (g) => g.set(load().inflight));
    metrics.gauge('node_slots', 'Hash threads', [], (g) => g.set(load().slots));
    metrics.gauge(
      'node_service_seconds',
      'Average time of a hash: of a default one, or of all that ran lately if that is more',
      [],
      (g) => g.set(load().serviceMs / 1000),
    );
    metrics.gauge('redis_up', '1 when the store is connected', [], (g) =>
      g.set(isStoreUp() ? 1 : 0),
    );
  };

  return {
    watch,
    watchState,
    migrated: (outcome: MigrationOutcome) => migrations.inc({ outcome }),
    stalled: () => stalls.inc(),
    campaigned: (outcome: Outcome) => campaign.inc({ outcome }),
    keyMissing: () => keysMissing.inc(),
    answered: (route: string, code: ErrorCode | undefined) => answers.add(route, code ?? 'ok'),
  };
};
