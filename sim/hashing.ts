/**
 * The hash order by itself, without time: how evenly keys fall, which of them move when nodes come,
 * go or change weight, and whether every edge sees the same order.
 */
import { atMost, type Criterion } from '../bench/report.js';
import { percentile } from '../bench/stats.js';
import { createRank, type Ranked } from '../gateway/nodes/rank.js';
import { accountKeys, createRandom, type Random } from './random.js';

type Node = Ranked & { weight: number };
type Rank = ReturnType<typeof createRank>;

/** The same for every seed, which decides where they belong. */
const allKeys = accountKeys(60_000, createRandom(1));
const weightsOf = (nodes: readonly Node[]) => nodes.map((node) => node.weight);

const hex = (random: Random) => random.below(2 ** 32).toString(16);
/** Names as people give them: similar ones are what bad hashes stumble over. */
const namings: ((random: Random) => (i: number) => string)[] = [
  () => (i) => `n${i + 1}`,
  () => (i) => `10.0.0.${i + 1}:8080`,
  (random) => () => `${hex(random)}${hex(random)}`,
];

const createNodes = (rank: Rank, name: (i: number) => string, weights: readonly number[]): Node[] =>
  weights.map((weight, i) => ({ id: name(i), seed: rank.seed(name(i)), weight }));

const equal = (count: number): number[] => new Array<number>(count).fill(1);

const homes = (rank: Rank, keys: readonly string[], nodes: readonly Node[], isWeighted = false) => {
  const weights = isWeighted ? weightsOf(nodes) : undefined;
  return keys.map((key) => rank.first(key, nodes, weights)?.id ?? '');
};

const countBy = (ids: readonly string[]): Map<string, number> => {
  const counts = new Map<string, number>();
  for (const id of ids) counts.set(id, (counts.get(id) ?? 0) + 1);
  return counts;
};

/** Each seed is another cluster secret, hence another placement of the same accounts. */
const createCluster = (seed: number) => ({
  rank: createRank(`secret ${seed}`),
  random: createRandom(seed),
});

type Cluster = ReturnType<typeof createCluster>;

const peakToMean = ({ rank, random }: Cluster, keys: readonly string[], count: number) =>
  namings.map((naming) => {
    const nodes = createNodes(rank, naming(random), equal(count));
    return (Math.max(...countBy(homes(rank, keys, nodes)).values()) * count) / keys.length;
  });

/** Keys that move when one of `count` nodes leaves or one more joins, as shares of all. */
const movement = ({ rank }: Cluster, keys: readonly string[], count: number) => {
  const nodes = createNodes(rank, (i) => `n${i}`, equal(count + 1));
  const newcomer = nodes[count]?.id;
  const after = homes(rank, keys, nodes);
  const before = homes(rank, keys, nodes.slice(0, count));
  const share = (isSo: (from: string, to: string) => boolean) =>
    keys.filter((_, i) => isSo(before[i] ?? '', after[i] ?? '')).length / keys.length;
  return {
    joining: share((from, to) => from !== to),
    // Read backwards it is a leave: whoever was not at the leaving node stays.
    excess: share((from, to) => from !== to && to !== newcomer),
  };
};

const slots = [2, 4, 4, 8, 16];
const weighted = ({ rank }: Cluster, keys: readonly string[]) => {
  const nodes = createNodes(rank, (i) => `n${i}`, slots);
  const total = slots.reduce((a, b) => a + b, 0);
  const before = homes(rank, keys, nodes, true);
  const counts = countBy(before);
  const errors = nodes.map(({ id, weight }) =>
    Math.abs(((counts.get(id) ?? 0) * total) / (weight * keys.length) - 1),
  );
  const changed = nodes.map((node, i) => (i === 1 ? { ...node, weight: 12 } : node));
  const after = homes(rank, keys, changed, true);
  const others = keys.filter(
    (_, i) => before[i] !== after[i] && before[i] !== 'n1' && after[i] !== 'n1',
  );
  return { error: Math.max(...errors), moved: others.length };
};

/** Keys for which two edges that learned of the nodes in different order disagree. */
const disagreement = ({ rank, random }: Cluster, keys: readonly string[]): number => {
  const nodes = createNodes(rank, (i) => `n${i}`, [...slots, ...slots, ...slots]);
  const shuffled = nodes
    .map((node) => ({ node, at: random.uniform() }))
    .sort((a, b) => a.at - b.at)
    .map(({ node }) => node);
  const text = (from: readonly Node[], key: string) =>
    rank
      .order(key, from, { limit: 3, weights: weightsOf(from) })
      .map(({ id }) => id)
      .join();
  return keys.filter((key) => text(nodes, key) !== text(shuffled, key)).length;
};

const evenCounts = [4, 8, 16, 32];
const movingCounts = [8, 64, 1000];

/** How evenly all keys fall on clusters of each size, by naming. */
export const measurePeaks = (seed: number): number[][] => {
  const cluster = createCluster(seed);
  return evenCounts.map((count) => peakToMean(cluster, allKeys, count));
};

/** The other figures of one cluster; takes a second. */
export const measureHashing = (seed: number) => {
  const cluster = createCluster(seed);
  const [some, few] = [allKeys.slice(0, 10_000), allKeys.slice(0, 3000)];
  return {
    moves: movingCounts.map((count) => movement(cluster, count === 1000 ? few : some, count)),
    weights: weighted(cluster, allKeys),
    disagreement: disagreement(cluster, some),
  };
};

type HashFigures = ReturnType<typeof measureHashing>;

/** Of one cluster per seed, and evenness of half as many more: a percentile wants thirty. */
export const judgeHashing = (
  clusters: readonly HashFigures[],
  peaks: readonly (readonly number[][])[],
): Criterion[] => {
  const most = (pick: (figures: HashFigures) => number): number => Math.max(...clusters.map(pick));
  const even = evenCounts.map((count, i) => {
    const ratios = peaks.flatMap((sizes) => sizes[i] ?? []);
    const limit = count === 32 ? 1.07 : 1.05;
    return atMost(`1 peak ÷ mean keys, ${count} nodes (p95)`, percentile(ratios, 0.95), limit);
  });
  const moving = movingCounts.flatMap((count, i) => {
    const joining = clusters.reduce((sum, { moves }) => sum + (moves[i]?.joining ?? Number.NaN), 0);
    const excess = most(({ moves }) => moves[i]?.excess ?? Number.NaN);
    return [
      atMost(
        `2 join of one to ${count}: keys that move, %`,
        (100 * joining) / clusters.length,
        100 / (count + 1) + 0.5,
      ),
      atMost(`2 leave of one of ${count + 1}: others' keys that move, %`, 100 * excess, 0.1),
    ];
  });
  const errors = clusters.map(({ weights }) => 100 * weights.error);
  return [
    ...even,
    ...moving,
    atMost(
      '3 share of a weighted node against its weight, % off (p95)',
      percentile(errors, 0.95),
      5,
    ),
    atMost(
      "3 one weight changes: others' keys that move",
      most(({ weights }) => weights.moved),
      0,
    ),
    atMost(
      '5 keys on whose order edges disagree',
      most(({ disagreement: count }) => count),
      0,
    ),
  ];
};
