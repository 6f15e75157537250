/** What this folder counts: forwards, retries, refusals, breakers and rejected registry entries. */
import type { Metrics } from '../../shared/metrics.js';
import type { Label } from './outcome.js';
import type { Node } from './pool.js';

export type Meters = ReturnType<typeof createMeters>;
type Counted = { inc(): void };
const states = ['closed', 'half-open', 'open'] as const;

export const createMeters = (options: {
  metrics: Metrics;
  nodes: () => readonly Node[];
  now: () => number;
}) => {
  const { metrics, nodes, now } = options;
  const forwards = metrics.counter(
    'node_forwards_total',
    'Attempts sent to a node, by what became of them',
    ['node', 'outcome'],
  );
  const retries = metrics.counter('node_retries_total', 'Second attempts, by reason', ['reason']);
  const shed = metrics.counter('node_shed_total', 'Work refused before it was sent', ['reason']);
  const rejects = metrics.counter('node_entries_rejected_total', 'Registry entries ignored', [
    'reason',
  ]);

  metrics.gauge('node_breaker_state', 'Edges that see a node so', ['node', 'state'], (gauge) => {
    gauge.reset();
    for (const node of nodes())
      for (const state of states)
        gauge.set({ node: node.id, state }, node.breaker.at(now()).kind === state ? 1 : 0);
  });
  metrics.gauge('node_forwards_inflight', 'Attempts in flight at a node', ['node'], (gauge) => {
    gauge.reset();
    for (const node of nodes()) gauge.set({ node: node.id }, node.load.inflight());
  });

  // Bound once per node and outcome: building a label set costs more than counting.
  const bound = new Map<string, Map<Label, Counted>>();

  /** An attempt may end after its node has left, whose series must not come back. */
  const bind = (node: string, outcome: Label): Counted => {
    if (!nodes().some(({ id }) => id === node)) return { inc: () => {} };
    const counter = forwards.labels({ node, outcome });
    const outcomes = bound.get(node) ?? new Map<Label, Counted>();
    bound.set(node, outcomes.set(outcome, counter));
    return counter;
  };

  return {
    forwarded: (node: string, outcome: Label) =>
      (bound.get(node)?.get(outcome) ?? bind(node, outcome)).inc(),
    retried: (reason: Label) => retries.inc({ reason }),
    shed: (reason: 'full' | 'none' | 'account' | 'behind') => shed.inc({ reason }),
    rejected: (reason: 'unsigned' | 'unreachable') => rejects.inc({ reason }),
    /** Ids of nodes may come and go for ever, their series must not stay. */
    left: (node: string) => {
      for (const outcome of bound.get(node)?.keys() ?? []) forwards.remove({ node, outcome });
      bound.delete(node);
    },
  };
};
