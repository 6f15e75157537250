import t from 'tap';
import { createRank, type Ranked } from '../../nodes/rank.js';

const rank = createRank('test secret');
const keys = Array.from({ length: 60_000 }, (_, i) => `user${i}`);
const someKeys = keys.slice(0, 10_000);

type Weighted = Ranked & { weight: number };
const named = (ids: string[], weight = 1): Weighted[] =>
  ids.map((id) => ({ id, seed: rank.seed(id), weight }));
const numbered = (n: number) => named(Array.from({ length: n }, (_, i) => `n${i + 1}`));
const addresses = (n: number) => named(Array.from({ length: n }, (_, i) => `10.0.0.${i + 1}:8080`));
const weightsOf = (nodes: readonly Weighted[]) => nodes.map((node) => node.weight);
const firstOf = (key: string, nodes: Weighted[], weighted = false): string =>
  rank.order(key, nodes, weighted ? { limit: 1, weights: weightsOf(nodes) } : { limit: 1 })[0]
    ?.id ?? '';
const idsOf = (nodes: Ranked[]): string => nodes.map((node) => node.id).join();

const counts = (nodes: Weighted[], weighted = false): Map<string, number> => {
  const found = new Map(nodes.map((node) => [node.id, 0]));
  for (const key of keys) {
    const id = firstOf(key, nodes, weighted);
    found.set(id, (found.get(id) ?? 0) + 1);
  }
  return found;
};

t.test('no node has more than 1.05 times its share of the keys', async (t) => {
  for (const n of [2, 4, 8, 16])
    for (const nodes of [numbered(n), addresses(n)]) {
      const peak = Math.max(...counts(nodes).values());
      t.ok(peak / (keys.length / n) <= 1.05, `${nodes[0]?.id} × ${n}`);
    }
});

t.test('a node that leaves moves its own keys and no others', async (t) => {
  const nodes = numbered(8);
  const left = nodes.filter((node) => node.id !== 'n3');
  const moved = someKeys.filter((key) => firstOf(key, nodes) !== firstOf(key, left));
  t.ok(moved.every((key) => firstOf(key, nodes) === 'n3'));
  t.ok(moved.length > 1000, 'and those go');
});

t.test('what a leaving node had spreads evenly over the others', async (t) => {
  const nodes = numbered(8);
  const left = nodes.filter((node) => node.id !== 'n3');
  const orphans = keys.filter((key) => firstOf(key, nodes) === 'n3');
  const found = new Map(left.map((node) => [node.id, 0]));
  for (const key of orphans) {
    const heir = firstOf(key, left);
    found.set(heir, (found.get(heir) ?? 0) + 1);
  }
  const peak = Math.max(...found.values()) / (orphans.length / left.length);
  t.ok(peak <= 1.15, `${peak}: some 1,070 each, so three standard deviations are 0.09`);
});

t.test('what a leaving node had goes to the second of each key', async (t) => {
  const nodes = numbered(8);
  const left = nodes.filter((node) => node.id !== 'n3');
  const wrong = someKeys.filter((key) => {
    const [first, second] = rank.order(key, nodes);
    return first?.id === 'n3' && firstOf(key, left) !== second?.id;
  });
  t.same(wrong, []);
});

t.test('a node that joins takes its share and moves nothing else', async (t) => {
  const before = numbered(8);
  const after = numbered(9);
  const moved = keys.filter((key) => firstOf(key, before) !== firstOf(key, after));
  t.ok(moved.every((key) => firstOf(key, after) === 'n9'));
  t.ok(moved.length / keys.length <= 1 / 9 + 0.005);
});

t.test('a weight gives its share, within 5 %', async (t) => {
  const nodes = [...numbered(3), ...named(['big'], 3)];
  const found = counts(nodes, true);
  for (const node of nodes) {
    const share = ((found.get(node.id) ?? 0) * 6) / keys.length / node.weight;
    t.ok(Math.abs(share - 1) <= 0.05, `${node.id} ${share}`);
  }
});

t.test('a changed weight moves keys only to or from that node', async (t) => {
  const before = numbered(8);
  const after = before.map((node) => (node.id === 'n5' ? { ...node, weight: 0.4 } : node));
  const moved = someKeys.filter((key) => firstOf(key, before, true) !== firstOf(key, after, true));
  t.ok(moved.length > 100);
  t.ok(moved.every((key) => firstOf(key, before, true) === 'n5'));
});

t.test('equal weights give the order that no weights give', async (t) => {
  const nodes = named(['a', 'b', 'c', 'd', 'e'], 7);
  const wrong = someKeys.filter(
    (key) =>
      idsOf(rank.order(key, nodes)) !==
      idsOf(rank.order(key, nodes, { weights: weightsOf(nodes) })),
  );
  t.same(wrong, []);
});

t.test('edges agree, in whatever order they learned of the nodes', async (t) => {
  const other = createRank('test secret');
  const nodes = numbered(8);
  const shuffled = ['n5', 'n1', 'n8', 'n3', 'n2', 'n7', 'n4', 'n6'].map((id) => ({
    id,
    seed: other.seed(id),
    weight: 1,
  }));
  const wrong = someKeys.filter(
    (key) => idsOf(other.order(key, shuffled)) !== idsOf(rank.order(key, nodes)),
  );
  t.same(wrong, []);
});

t.test('the order under another secret is another one', async (t) => {
  const other = createRank('another secret');
  const nodes = numbered(4);
  const same = someKeys.filter((key) => {
    const moved = nodes.map(({ id }) => ({ id, seed: other.seed(id) }));
    return other.order(key, moved, { limit: 1 })[0]?.id === firstOf(key, nodes);
  });
  t.ok(Math.abs(same.length / someKeys.length - 0.25) < 0.03, 'as by chance');
});

t.test('limit cuts the whole order', async (t) => {
  const nodes = numbered(6);
  t.same(rank.order('k', nodes, { limit: 3 }), rank.order('k', nodes).slice(0, 3));
  t.same(rank.order('k', [], { limit: 3 }), []);
  t.equal(rank.order('k', numbered(2), { limit: 3 }).length, 2);
});

t.test('first is what order begins with, for lists that stay and for new ones', async (t) => {
  const stays = numbered(9);
  const shrinks = numbered(9);
  const weighted = stays.map((node, i) => ({ ...node, weight: 1 + (i % 4) }));
  const wrong = someKeys.filter((key, i) => {
    if (i === 500) shrinks.pop();
    const fresh = [...stays].reverse();
    return (
      [stays, fresh, shrinks].some((list) => rank.first(key, list)?.id !== firstOf(key, list)) ||
      rank.first(key, weighted, weightsOf(weighted))?.id !== firstOf(key, weighted, true)
    );
  });
  t.same(wrong, []);
  t.equal(rank.first('k', []), undefined);
  const many = numbered(5000);
  const someOfMany = someKeys
    .slice(0, 40)
    .map((key) => [rank.first(key, many)?.id, firstOf(key, many)]);
  t.ok(
    someOfMany.every(([first, expected]) => first === expected),
    'more than the short way looks through',
  );
});

t.test('the logarithm left out changes no order', async (t) => {
  const nodes = numbered(40).map((node, i) => ({ ...node, weight: 0.4 + (i % 7) * 3 }));
  for (const key of someKeys.slice(0, 500)) {
    const whole = rank.order(key, nodes, { weights: weightsOf(nodes) });
    t.equal(
      idsOf(rank.order(key, nodes, { limit: 3, weights: weightsOf(nodes) })),
      idsOf(whole.slice(0, 3)),
    );
    t.equal(rank.first(key, nodes, weightsOf(nodes))?.id, whole[0]?.id);
  }
});
