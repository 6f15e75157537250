/**
 * What this folder counts: forwards, retries, refusals, breakers and ignored registry entries.
 * What was counted of a node outlives it for a while: how it ended is known when it has left
 * already, and a scrape comes later still.
 */
import type { Metrics, Sample } from '../../shared/metrics.js';
import type { Label } from './outcome.js';
import type { Node } from './pool.js';
import { type Registry, rejectReasons } from './registry.js';

export type Meters = ReturnType<typeof createMeters>;
type Options = { metrics: Metrics; nodes: () => readonly Node[]; now: () => number };
type Forwards = { outcomes: Map<Label, number>; leftAt?: number };

const states = ['closed', 'half-open', 'open'] as const;
const keepMs = 600_000;

/** By node and outcome. Ids of nodes may come and go for ever, their series must not stay. */
const createForwards = ({ nodes, now }: Pick<Options, 'nodes' | 'now'>) => {
  const byNode = new Map<string, Forwards>();
  const isHere = (id: string): boolean => nodes().some((node) => node.id === id);

  const enter = (node: string): Forwards => {
    const entered = { outcomes: new Map<Label, number>() };
    byNode.set(node, entered);
    return entered;
  };

  const isOver = (node: string, { leftAt }: Forwards): boolean =>
    leftAt !== undefined && now() - leftAt > keepMs && !isHere(node);

  const forget = () => {
    for (const [node, forwards] of byNode) if (isOver(node, forwards)) byNode.delete(node);
  };

  return {
    add: (node: string, outcome: Label) => {
      const known = byNode.get(node);
      // An attempt may end after its node was forgotten, whose series must not come back.
      if (known === undefined && !isHere(node)) return;
      const { outcomes } = known ?? enter(node);
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
    },
    left: (node: string) => {
      (byNode.get(node) ?? enter(node)).leftAt = now();
      forget();
    },
    rows: (): Sample[] => {
      forget();
      return [...byNode].flatMap(([node, { outcomes }]) =>
        [...outcomes].map(([outcome, value]) => ({ labels: { node, outcome }, value })),
      );
    },
  };
};

export const createMeters = (options: Options) => {
  const { metrics } = options;
  const forwards = createForwards(options);
  metrics.computed(
    'node_forwards_total',
    'Attempts sent to a node, by what became of them',
    'counter',
    forwards.rows,
  );
  const retries = metrics.counter('node_retries_total', 'Second attempts, by reason', ['reason']);
  const denied = metrics.counter(
    'node_retries_denied_total',
    'Second attempts not made as the retry budget was empty, by reason',
    ['reason'],
  );
  const shed = metrics.counter('node_shed_total', 'Work refused before it was sent', ['reason']);
  return {
    forwarded: forwards.add,
    retried: (reason: Label) => retries.inc({ reason }),
    denied: (reason: Label) => denied.inc({ reason }),
    shed: (reason: 'full' | 'none' | 'account' | 'behind') => shed.inc({ reason }),
    left: forwards.left,
  };
};

/** Entries in the registry that this edge cannot use: for an alert as long as they are there. */
export const watchIgnored = (metrics: Metrics, { ignored }: Pick<Registry, 'ignored'>): void => {
  metrics.gauge(
    'node_entries_ignored',
    'Registry entries that cannot be used',
    ['reason'],
    (gauge) => {
      for (const reason of rejectReasons) gauge.set({ reason }, ignored(reason));
    },
  );
};

/** Gauges of the nodes that there are, computed at each scrape. */
export const watchState = ({ metrics, nodes, now }: Options): void => {
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
};
