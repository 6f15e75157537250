/**
 * Rules for choosing a node, all in the place of the real one: ours, and what it is measured against.
 * Join-shortest-queue sees every message that any edge has at any node, at once: nobody can do that,
 * so it is the bound. Two random choices look at the edge's own messages; plain hashing looks at none.
 */
import { type Choose, createChoose } from '../gateway/nodes/choose.js';
import type { Node } from '../gateway/nodes/pool.js';
import type { Rank } from '../gateway/nodes/rank.js';
import type { Random } from './random.js';

export const policyNames = ['ours', 'jsq', 'p2c', 'hash'] as const;
export type PolicyName = (typeof policyNames)[number];
export const policyLabels: Record<PolicyName, string> = {
  ours: 'Floodgate',
  jsq: 'join shortest queue (knows all)',
  p2c: 'two random choices',
  hash: 'plain hashing',
};

/** `lengths`: messages at each node, from all edges, by its number; all have the same slots. */
type Edge = {
  rank: Rank;
  random: Random;
  zone: string;
  lengths: Int32Array;
  /** As the product's pool counts them. */
  slowStarts: () => number;
};

const isUsable = (node: Node): boolean => !node.isDraining() && !node.breaker.isOpen();

/** A rule without a thought for breakers: those who use one of these would add the same ones. */
const ruleOf =
  (pick: (nodes: readonly Node[], key: string) => Node | undefined): Choose<Node> =>
  (nodes, { key, except }) => {
    const areAll = nodes.every((node) => node !== except && isUsable(node));
    const usable = areAll ? nodes : nodes.filter((node) => node !== except && isUsable(node));
    const node = pick(usable, key);
    return node === undefined ? { kind: 'none' } : { kind: 'node', node };
  };

const numberOf = ({ id }: Node): number => Number(id.slice(id.indexOf('-') + 1));

/** The number of the shortest queue, the first one from `start` on a draw. */
const shortest = (lengths: Int32Array, start: number): number => {
  let best = start;
  for (let i = 0; i < lengths.length; i++) {
    const at = (start + i) % lengths.length;
    if ((lengths[at] ?? 0) < (lengths[best] ?? 0)) best = at;
  }
  return best;
};

/** The one with the smallest `measure`; the first one on a draw. */
const least = <T>(nodes: readonly T[], measure: (node: T) => number): T | undefined => {
  let best: T | undefined;
  let lowest = Number.POSITIVE_INFINITY;
  for (const node of nodes) {
    const value = measure(node);
    if (value >= lowest) continue;
    best = node;
    lowest = value;
  }
  return best;
};

export const policies: Record<PolicyName, (edge: Edge) => Choose<Node>> = {
  ours: ({ rank, zone, slowStarts }) => createChoose(rank, zone, slowStarts),
  jsq: ({ random, lengths }) => {
    const rule = ruleOf((nodes) => least(nodes, (node) => lengths[numberOf(node)] ?? 0));
    return (nodes, query) => {
      // Nearly always the one at its place may be used; looking at each is slow where they are many.
      const node = nodes[shortest(lengths, random.below(lengths.length))];
      const isIt = node !== undefined && node !== query.except && isUsable(node);
      return isIt && nodes.length === lengths.length ? { kind: 'node', node } : rule(nodes, query);
    };
  },
  p2c: ({ random }) =>
    ruleOf((nodes) =>
      least(
        [nodes[random.below(nodes.length)], nodes[random.below(nodes.length)]].filter(
          (node) => node !== undefined,
        ),
        ({ load }) => load.inflight() / load.slots(),
      ),
    ),
  hash: ({ rank }) => ruleOf((nodes, key) => rank.first(key, nodes)),
};
