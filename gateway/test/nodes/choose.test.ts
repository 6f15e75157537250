import t from 'tap';
import { createBreaker } from '../../nodes/breaker.js';
import { createChoose } from '../../nodes/choose.js';
import { createLoad } from '../../nodes/load.js';
import { createRank } from '../../nodes/rank.js';

const rank = createRank('test secret');
/** No breaker closes here while a list is in use. */
const none = () => 0;
const choose = createChoose<Node>(rank, 'here', none);

const createNode = (id: string, { slots = 2, draining = false, zone = 'here' } = {}) => ({
  id,
  seed: rank.seed(id),
  load: createLoad(slots),
  breaker: createBreaker({ start: 'full', now: 0 }),
  isDraining: () => draining,
  zone,
});
type Node = ReturnType<typeof createNode>;

const fleet = (n: number) => Array.from({ length: n }, (_, i) => createNode(`n${i + 1}`));
const chosen = (nodes: Node[], except?: Node): string => {
  const query = { key: 'alice', cls: 'login' as const, now: 0 };
  const choice = choose(nodes, except === undefined ? query : { ...query, except });
  return choice.kind === 'node' ? choice.node.id : choice.kind;
};
/** The nodes in alice's order. */
const inOrder = (nodes: Node[]) => rank.order('alice', nodes);
const report = (inflight: number, serviceMs = 10) => ({
  inflight,
  queueMs: 0,
  serviceMs,
  slots: 2,
});
const open = (node: Node | undefined) => {
  for (let i = 0; i < 5; i++) node?.breaker.failed(0);
};

t.test('the first choice, while nobody waits there', async (t) => {
  const nodes = fleet(5);
  const [first] = inOrder(nodes);
  t.equal(chosen(nodes), first?.id);
  for (let i = 0; i < 2; i++) first?.load.sent(0, 'login');
  t.equal(chosen(nodes), first?.id, 'the threads are busy, and others are idle');
  first?.load.sent(0, 'login');
  t.not(chosen(nodes), first?.id);
});

t.test('who was just told that all is full gets the same answers as anybody', async (t) => {
  let seed = 7;
  const random = () => {
    seed = (seed * 16_807) % 2_147_483_647;
    return seed / 2_147_483_647;
  };
  const kinds = new Set<string>();
  for (let round = 0; round < 300; round++) {
    const nodes = fleet(1 + Math.floor(random() * 6));
    const told = createChoose<Node>(rank, 'here', none);
    const usual = random();
    for (let step = 0; step < 8; step++) {
      for (const node of nodes) {
        if (random() < usual) node.load.refused(step, 40 + 200 * random(), 'login');
        if (random() < 0.05) open(node);
        if (random() < 0.05) node.load.lost();
        if (random() < 0.05) node.isDraining = () => true;
      }
      const query = { key: `k${random()}`, cls: 'login' as const, now: 10 * step };
      const [one, other] = [
        told(nodes, query),
        createChoose<Node>(rank, 'here', none)(nodes, query),
      ];
      if (one.kind !== other.kind) t.same(one.kind, other.kind, `round ${round}, step ${step}`);
      if (one.kind === 'node' && other.kind === 'node')
        kinds.add(one.node === other.node ? 'same' : 'differs');
      kinds.add(one.kind);
    }
  }
  t.same([...kinds].sort(), ['full', 'node', 'none', 'same']);
});

t.test('then the least loaded of the first three, if it has a hash per slot less', async (t) => {
  const nodes = fleet(5);
  const [first, second, third] = inOrder(nodes);
  first?.load.heard(0, report(4));
  second?.load.heard(0, report(3));
  third?.load.heard(0, report(2));
  t.equal(chosen(nodes), third?.id);
  third?.load.heard(0, report(3));
  t.equal(chosen(nodes), first?.id, 'half a hash per slot is not worth it');
  first?.load.heard(0, report(5));
  t.equal(chosen(nodes), second?.id, 'equal load: the order decides');
  second?.load.heard(0, report(5));
  third?.load.heard(0, report(5));
  t.equal(chosen(nodes), first?.id, 'no better off elsewhere');
});

t.test('draining, open, suspect and full nodes are passed over', async (t) => {
  const spoilers: Record<string, (node: Node) => void> = {
    draining: (node) => {
      node.isDraining = () => true;
    },
    open,
    suspect: (node) => node.load.lost(),
    'full until': (node) => node.load.refused(0, 500, 'login'),
    'full by its queue': (node) => node.load.heard(0, { ...report(9), queueMs: 301 }),
  };
  for (const [name, spoil] of Object.entries(spoilers)) {
    const nodes = fleet(4);
    const [first, second] = inOrder(nodes);
    if (first !== undefined) spoil(first);
    t.equal(chosen(nodes), second?.id, name);
  }
});

t.test('a second attempt goes to the next of the order', async (t) => {
  const nodes = fleet(4);
  const [first, second] = inOrder(nodes);
  t.equal(chosen(nodes, first), second?.id);
  t.equal(chosen([createNode('only')].slice(0, 0)), 'none');
  const [only] = fleet(1);
  t.equal(chosen(only ? [only] : [], only), 'none');
});

t.test('suspects are used when nothing better is left', async (t) => {
  const nodes = fleet(2);
  for (const node of nodes) node.load.lost();
  t.equal(chosen(nodes), inOrder(nodes)[0]?.id);
});

t.test('a full node is not escaped through a suspect one', async (t) => {
  const nodes = fleet(2);
  nodes[0]?.load.lost();
  nodes[1]?.load.refused(0, 500, 'login');
  t.equal(chosen(nodes), 'full');
});

t.test('more than half of the nodes open: breakers are ignored, admission is not', async (t) => {
  const nodes = fleet(4);
  const [first, second, third, fourth] = inOrder(nodes);
  open(first);
  open(second);
  t.equal(chosen(nodes), third?.id, 'half is no panic');
  open(third);
  t.equal(chosen(nodes), first?.id, 'panic');
  for (const node of [first, second, third]) node?.load.refused(0, 500, 'login');
  t.equal(chosen(nodes), fourth?.id);
  fourth?.load.refused(0, 500, 'login');
  t.equal(chosen(nodes), 'full');
});

t.test('in panic a node that cannot be reached still comes last', async (t) => {
  const nodes = fleet(3);
  const [first, second, third] = inOrder(nodes);
  for (const node of [first, second, third]) open(node);
  first?.load.lost();
  t.equal(chosen(nodes), second?.id);
});

t.test('draining nodes do not count towards panic', async (t) => {
  const nodes = [...fleet(2), createNode('d1', { draining: true })];
  const [first, second] = inOrder(nodes.slice(0, 2));
  open(first);
  t.equal(chosen(nodes), second?.id);
});

t.test('nothing to choose from is told apart from everything full', async (t) => {
  const kind = (nodes: readonly Node[], now = 0) =>
    choose(nodes, { key: 'alice', cls: 'login', now }).kind;
  t.equal(kind([]), 'none');
  t.equal(kind([createNode('d', { draining: true })]), 'none');
  const nodes = fleet(2);
  t.equal(kind(nodes), 'node');
  nodes[0]?.load.refused(0, 500, 'login');
  t.equal(kind(nodes), 'node');
  nodes[1]?.load.refused(0, 500, 'login');
  t.equal(kind(nodes), 'full');
  t.equal(kind(nodes, 600), 'node');
});

t.test('a node in slow start gets a tenth of its share, at first', async (t) => {
  const nodes = fleet(2);
  const [old, young] = nodes;
  if (old === undefined || young === undefined) return;
  const joined = { ...young, breaker: createBreaker({ start: 'slow', now: 0 }) };
  const share = (now: number): number => {
    const keys = Array.from({ length: 4000 }, (_, i) => `user${i}`);
    const hits = keys.filter((key) => {
      const choice = choose([old, joined], { key, cls: 'login', now });
      return choice.kind === 'node' && choice.node === joined;
    });
    return hits.length / keys.length;
  };
  t.ok(Math.abs(share(0) - 0.1 / 1.1) < 0.02);
  t.ok(Math.abs(share(20_000) - 0.5) < 0.03);
});

t.test('a node with more slots gets more accounts', async (t) => {
  const nodes = [createNode('small', { slots: 1 }), createNode('large', { slots: 3 })];
  const keys = Array.from({ length: 4000 }, (_, i) => `user${i}`);
  const hits = keys.filter((key) => {
    const choice = choose(nodes, { key, cls: 'login', now: 0 });
    return choice.kind === 'node' && choice.node.id === 'large';
  });
  t.ok(Math.abs(hits.length / keys.length - 0.75) < 0.03);
});

t.test('the own zone first, in its own order, while it has room', async (t) => {
  const near = [createNode('a'), createNode('b')];
  const far = Array.from({ length: 6 }, (_, i) => createNode(`far${i}`, { zone: 'there' }));
  const nodes = [...far, ...near];
  const [first, second] = inOrder(near);
  t.equal(chosen(nodes), first?.id);
  first?.load.heard(0, report(4));
  t.equal(chosen(nodes), second?.id, "the other one here, though it is nobody's first three");
  second?.load.heard(0, report(4));
  t.match(chosen(nodes), /^far/, 'both busy: elsewhere');
  t.equal(chosen(near), first?.id, 'one zone alone: as ever');
});

t.test(
  'inside the zone: the least loaded of the first three, and a second attempt next door',
  async (t) => {
    const near = Array.from({ length: 5 }, (_, i) => createNode(`near${i}`));
    const far = Array.from({ length: 5 }, (_, i) => createNode(`far${i}`, { zone: 'there' }));
    const nodes = [...far, ...near];
    const [first, second, third, fourth] = inOrder(near);
    t.equal(chosen(nodes, first), second?.id);
    first?.load.heard(0, report(3));
    second?.load.heard(0, report(2));
    third?.load.heard(0, report(1));
    t.equal(chosen(nodes), third?.id, 'who waits at home has a hash less to wait there');
    for (const node of [second, third]) node?.load.heard(0, report(3));
    t.equal(chosen(nodes), first?.id, 'no better off with a neighbour; the fourth is idle');
    open(first);
    for (const node of [second, third, fourth]) node?.load.refused(0, 500, 'login');
    t.equal(chosen(nodes), inOrder(near)[4]?.id, 'the last who is well');
  },
);

t.test('a breaker that closes is felt at once, and for as long as it ramps', async (t) => {
  let slowStarts = 0;
  const onSlowStart = () => {
    slowStarts++;
  };
  const back = {
    ...createNode('a'),
    breaker: createBreaker({ start: 'full', now: 0, onSlowStart, random: () => 0.5 }),
  };
  const nodes = [back, createNode('b')];
  const keys = Array.from({ length: 2000 }, (_, i) => `k${i}`);
  const its = createChoose<Node>(rank, 'here', () => slowStarts);
  const share = (now: number) => {
    const isThere = (key: string) => {
      const choice = its(nodes, { key, cls: 'login', now });
      return choice.kind === 'node' && choice.node.id === 'a';
    };
    return keys.filter(isThere).length / keys.length;
  };
  t.ok(Math.abs(share(0) - 0.5) < 0.05);
  open(back);
  t.equal(share(1), 0);
  back.breaker.at(1);
  for (let i = 0; i < 2; i++) back.breaker.probeEnded(back.breaker.probeStarted(1), true, 1, true);
  t.equal(slowStarts, 1);
  t.ok(Math.abs(share(1) - 0.1 / 1.1) < 0.03, 'a tenth of its weight');
  t.ok(Math.abs(share(5001) - 0.5 / 1.5) < 0.05, 'half of it');
  t.ok(Math.abs(share(10_002) - 0.5) < 0.05, 'all of it');
});

t.test('a zone whose nodes have all just begun is not sent all of its users at once', async (t) => {
  const young = { ...createNode('a'), breaker: createBreaker({ start: 'slow', now: 0 }) };
  const far = Array.from({ length: 2 }, (_, i) => createNode(`far${i}`, { zone: 'there' }));
  const keys = Array.from({ length: 2000 }, (_, i) => `k${i}`);
  const shareOf = (nodes: Node[], now: number) => {
    const its = createChoose<Node>(rank, 'here', none);
    const isThere = (key: string) => {
      const choice = its(nodes, { key, cls: 'login', now });
      return choice.kind === 'node' && choice.node.id === 'a';
    };
    return keys.filter(isThere).length / keys.length;
  };
  const began = shareOf([young, ...far], 0);
  t.ok(began > 0.01 && began < 0.1, `a tenth of a third: ${began}`);
  t.equal(shareOf([young, ...far], 10_001), 1, 'all of them when it has warmed up');
  const beside = shareOf([young, createNode('b'), ...far], 0);
  t.ok(beside > 0.04 && beside < 0.14, `its tenth beside a neighbour: ${beside}`);
});

t.test('what is broken here is no reason to panic while elsewhere is well', async (t) => {
  const near = [createNode('a'), createNode('b')];
  const far = Array.from({ length: 3 }, (_, i) => createNode(`far${i}`, { zone: 'there' }));
  for (const node of near) open(node);
  t.match(chosen([...near, ...far]), /^far/);
});
