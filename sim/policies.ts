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

type Edge = { rank: Rank; random: Random; zone: string; outstandingAt: (id: string) => number };

/** A rule without a thought for breakers: those who use one of these would add the same ones. */
const ruleOf =
  (pick: (nodes: readonly Node[], key: string) => Node | undefined): Choose<Node> =>
  (nodes, { key, except }) => {
    const usable = nodes.filter(
      (node) => node !== except && !node.isDraining() && !node.breaker.isOpen(),
    );
    const node = pick(usable, key);
    return node === undefined ? { kind: 'none' } : { kind: 'node', node };
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

const rotate = <T>(nodes: readonly T[], by: number): T[] => [
  ...nodes.slice(by),
  ...nodes.slice(0, by),
];

export const policies: Record<PolicyName, (edge: Edge) => Choose<Node>> = {
  ours: ({ rank, zone }) => createChoose(rank, zone),
  jsq: ({ random, outstandingAt }) =>
    ruleOf((nodes) =>
      least(
        rotate(nodes, random.below(nodes.length)),
        ({ id, load }) => outstandingAt(id) / load.slots(),
      ),
    ),
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
