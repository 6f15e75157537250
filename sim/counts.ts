/** What edges and nodes count, over all of them, and what it grew by. */
const edgeCounts = ['sent', 'atHome', 'near', 'retried', 'toOpen', 'shed'] as const;
const nodeCounts = ['started', 'refused', 'unasked'] as const;
const all = [...edgeCounts, ...nodeCounts];

type Name = (typeof all)[number];
type EdgeCounts = Record<(typeof edgeCounts)[number], number>;
type NodeCounts = Record<(typeof nodeCounts)[number], number> & { busyMs: number };
/** `busyMs`: of each node. */
export type Counts = Record<Name, number> & { busyMs: number[] };

/**
 * `atHome`: sent to the account's first choice; `near`: in the edge's zone; `toOpen`: to an open
 * breaker, without panic.
 */
export const newEdgeCounts = (): EdgeCounts => ({
  ...{ sent: 0, atHome: 0, near: 0, retried: 0, toOpen: 0, shed: 0 },
});

/** `unasked`: hashes done for a request that nobody waited for any more. */
export const newNodeCounts = (): NodeCounts => ({ started: 0, refused: 0, unasked: 0, busyMs: 0 });

/** `gone`: nodes that have left, whose counts stay. */
export const sumCounts = (
  edges: readonly EdgeCounts[],
  nodes: readonly NodeCounts[],
  gone: readonly NodeCounts[],
): Counts => {
  const { busyMs: _, ...none } = newNodeCounts();
  const total = { ...newEdgeCounts(), ...none, busyMs: nodes.map(({ busyMs }) => busyMs) };
  for (const counts of edges) for (const name of edgeCounts) total[name] += counts[name];
  for (const counts of [...nodes, ...gone])
    for (const name of nodeCounts) total[name] += counts[name];
  return total;
};

export const difference = (after: Counts, before: Counts): Counts => {
  const busyMs = after.busyMs.map((ms, i) => ms - (before.busyMs[i] ?? 0));
  const result = { ...after, busyMs };
  for (const name of all) result[name] = after[name] - before[name];
  return result;
};
