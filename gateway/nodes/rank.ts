/**
 * Weighted rendezvous hashing: every edge puts the nodes into the same order for an account, a node
 * that leaves moves only its own keys, and the order is the fall-back order (Thaler and Ravishankar
 * 1998). The key is hashed once, each node id once when it joins; the two are combined under a full
 * finaliser per node, because hashes that do not avalanche their last bytes skew similar names badly.
 * Seeds come from the cluster secret, so that nobody outside can aim accounts at one node.
 */
import { createHmac } from 'node:crypto';

/** Two words of a node's id under the cluster secret. */
type Seed = { readonly a: number; readonly b: number };
export type Ranked = { readonly id: string; readonly seed: Seed };

export type Rank = ReturnType<typeof createRank>;

/** Of the nodes in a list, in its order. */
export type Weights = ArrayLike<number>;

/** Equal scores are settled by id, or two edges could disagree. */
const isBefore = (node: Ranked, score: number, other: Ranked, than: number): boolean =>
  score > than || (score === than && node.id < other.id);

/** Of two with the same score. */
const isFirst = (nodes: readonly Ranked[], at: number, than: number): boolean =>
  (nodes[at]?.id ?? '') < (nodes[than]?.id ?? '');

/** Into two lists that run in step, best first. */
const insert = <T extends Ranked>(best: T[], scores: number[], node: T, score: number) => {
  let at = best.length;
  for (; at > 0; at--) {
    const other = best[at - 1];
    const than = scores[at - 1] ?? 0;
    if (other === undefined || !isBefore(node, score, other, than)) break;
    best[at] = other;
    scores[at] = than;
  }
  best[at] = node;
  scores[at] = score;
};

/**
 * Murmur3's finaliser over the words of key and node, the first of them with one more round: 32 bits
 * with a sign, since comparing two of them is one instruction.
 */
const combine = (a: number, b: number, seedA: number, seedB: number): number => {
  let h = a ^ seedA;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13) ^ b ^ seedB, 0xc2b2ae35);
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  return h ^ (h >>> 13);
};
const lowest = 1 << 31;

/** So many nodes are looked through by the short way. That rows never move saves a sixth of the time. */
const rowLength = 4096;

/** −w ÷ ln(u) for u in (0, 1): the largest wins with probability w ÷ Σw. */
const weigh = (hash: number, weight: number): number =>
  -weight / Math.log((hash - lowest + 0.5) / 0x1_0000_0000);

/**
 * Its score is below `than`, seen without a logarithm: −ln(u) > 1 − u, so the score is less than
 * w ÷ (1 − u). That settles all nodes but the few that come near the best.
 */
const isSurelyBelow = (hash: number, weight: number, than: number): boolean =>
  weight * 0x1_0000_0000 < than * (0x7fff_ffff - hash + 0.5);

export const createRank = (secret: string) => {
  const seedOf = (text: string): Seed => {
    const digest = createHmac('sha256', secret).update(`floodgate rank v1\n${text}`).digest();
    return { a: digest.readInt32LE(0), b: digest.readInt32LE(4) };
  };
  const keySeed = seedOf('key');

  /** For a node id, once per join. */
  const seed = (id: string): Seed => seedOf(`node\n${id}`);

  /** Two words of the key, in `words`: a pair per call would be an object per call. */
  const words = { a: 0, b: 0 };
  const hash = (key: string) => {
    let a = keySeed.a;
    let b = keySeed.b;
    for (let i = 0; i < key.length; i++) {
      const code = key.charCodeAt(i);
      a = Math.imul(a ^ code, 0x9e3779b1) ^ (a >>> 15);
      b = Math.imul(b + code, 0x85ebca77) ^ (b >>> 13);
    }
    words.a = a;
    words.b = b;
  };

  /** The seeds of the last list, in two rows: most logins come with the same one, and none is changed in place. */
  let known: readonly Ranked[] | undefined;
  let count = 0;
  const seedsA = new Int32Array(rowLength);
  const seedsB = new Int32Array(rowLength);
  const learn = (nodes: readonly Ranked[]): void => {
    if (nodes === known && nodes.length === count) return;
    known = nodes;
    count = nodes.length;
    seedsA.set(nodes.map(({ seed }) => seed.a));
    seedsB.set(nodes.map(({ seed }) => seed.b));
  };

  /** The place of the best of `nodes`, whose seeds are known. */
  const placeOfEqual = (nodes: readonly Ranked[]): number => {
    const { a, b } = words;
    const as = seedsA;
    const bs = seedsB;
    const n = count;
    let at = 0;
    let most = lowest;
    for (let i = 0; i < n; i++) {
      const score = combine(a, b, as[i] ?? 0, bs[i] ?? 0);
      if (score < most || (score === most && !isFirst(nodes, i, at))) continue;
      at = i;
      most = score;
    }
    return at;
  };

  const placeOfWeighted = (nodes: readonly Ranked[], weights: Weights): number => {
    const { a, b } = words;
    const as = seedsA;
    const bs = seedsB;
    const n = count;
    let at = 0;
    let most = 0;
    for (let i = 0; i < n; i++) {
      const drawn = combine(a, b, as[i] ?? 0, bs[i] ?? 0);
      const weight = weights[i] ?? 0;
      if (isSurelyBelow(drawn, weight, most)) continue;
      const score = weigh(drawn, weight);
      if (score < most || (score === most && !isFirst(nodes, i, at))) continue;
      at = i;
      most = score;
    }
    return at;
  };

  /**
   * The first `limit` of `nodes` for this key, best first; whatever order they come in, the answer
   * is the same. `weights` are only needed where they differ: without it there is no logarithm.
   */
  const order = <T extends Ranked>(
    key: string,
    nodes: readonly T[],
    { limit = nodes.length, weights }: { limit?: number; weights?: Weights | undefined } = {},
  ): T[] => {
    hash(key);
    const { a, b } = words;
    const best: T[] = [];
    const scores: number[] = [];
    let least = 0;
    for (let at = 0; at < nodes.length; at++) {
      const node = nodes[at];
      if (node === undefined) continue;
      const isFull = best.length >= limit;
      let score = combine(a, b, node.seed.a, node.seed.b);
      if (weights !== undefined) {
        const weight = weights[at] ?? 0;
        if (isFull && isSurelyBelow(score, weight, least)) continue;
        score = weigh(score, weight);
      }
      if (isFull && score < least) continue;
      insert(best, scores, node, score);
      if (best.length > limit) {
        best.pop();
        scores.pop();
      }
      least = scores[scores.length - 1] ?? 0;
    }
    return best;
  };

  /** The first node for this key: what `order` begins with, without making a list. */
  const first = <T extends Ranked>(
    key: string,
    nodes: readonly T[],
    weights?: Weights,
  ): T | undefined => {
    if (nodes.length > rowLength) return order(key, nodes, { limit: 1, weights })[0];
    hash(key);
    learn(nodes);
    return nodes[weights === undefined ? placeOfEqual(nodes) : placeOfWeighted(nodes, weights)];
  };

  return { seed, first, order };
};
