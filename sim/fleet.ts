/**
 * A whole gateway in virtual time: edges, nodes, the registry between them, and users who arrive
 * whether or not anyone has time for them (open loop, Poisson). Runs one world and returns every
 * login with what became of it.
 */
import { createRank } from '../gateway/nodes/rank.js';
import { createDriver, type Driver } from './driver.js';
import { createEdge, type Edge, type Member, type Outcome } from './edge.js';
import { createNode, type SimNode, secret } from './node.js';
import { type PolicyName, policies } from './policies.js';
import { accountKeys, createRandom, indexIn, zipfSums } from './random.js';

export const serviceMs = 22;

export type World = {
  nodes: number;
  slots: number;
  /** Each edge's share of the users. */
  edges: readonly number[];
  policy: PolicyName;
  /** Nodes and edges stand in these by turns; one when left out. */
  zones?: number;
  /** Offered logins at this moment, as a multiple of what all nodes can do. */
  load: (atMs: number) => number;
  warmUpMs: number;
  /** Measured, after the warm-up. */
  measureMs: number;
  /** Share of the logins that are for one single account. */
  hotShare?: number;
  /** Exponent of the accounts' popularity; 0 = all alike. */
  skew?: number;
  /** How often a refused client comes back, and after how many ms the nth time. */
  patience?: { tries: number; pauseMs: (nth: number, chance: () => number) => number };
  /** Times count from the end of the warm-up. */
  events?: readonly { atMs: number; run: (fleet: Fleet) => void }[];
  /** How the fleet differs from a sound one from the beginning. */
  start?: (fleet: Fleet) => void;
};
export type Login = {
  /** From the end of the warm-up. */
  atMs: number;
  tookMs: number;
  outcome: Outcome;
  isHot: boolean;
  /** How often this client had been refused before. */
  nth: number;
};
export type Fleet = ReturnType<typeof createFleet>;
export type Run = {
  logins: Login[];
  counts: Counts;
  samples: Sample[];
  capacity: number;
};
/** What was in flight at each node, and how many of each edge's breakers were open. */
export type Sample = { atMs: number; inflight: number[]; open: number[]; isPanic: boolean[] };

const accountCount = 20_000;
/** The same in every run: the seed of the rank decides where they belong. */
const accounts = accountKeys(accountCount, createRandom(1));
const registryEveryMs = 500;
const registryTtlMs = 3000;
const sampleEveryMs = 10;
/** Users go on coming for so long after the measured time, or its last logins would have it easy. */
const overlapMs = 50;
/** Longer than any deadline. */
const patienceMs = 2600;

const createFleet = (world: World, seed: number, driver: Driver) => {
  const random = createRandom(seed);
  // The seed decides where accounts belong, as the secret does in the product.
  const placement = `${secret} ${seed}`;
  const edges: Edge[] = [];
  /** What the registry lists; `diedAt` of those that stopped their heartbeats. */
  let listed: (Member & { diedAt: number })[] = [];
  let isFrozen = false;
  let boots = 0;
  const nodes = new Map<string, SimNode>();
  /** Those that are gone included. */
  const all: SimNode[] = [];

  const outstandingAt = (id: string): number => {
    const node = nodes.get(id);
    return node === undefined ? 0 : edges.reduce((sum, edge) => sum + edge.outstandingAt(node), 0);
  };

  const zoneOf = (index: number): string => `zone-${index % (world.zones ?? 1)}`;
  const members = () => listed.filter(({ diedAt }) => driver.now() < diedAt + registryTtlMs);
  const start = (index: number): SimNode => {
    const id = `node-${index}`;
    const bootId = `boot-${boots++}`;
    const node = createNode({ id, bootId, slots: world.slots, serviceMs, driver, random });
    nodes.set(id, node);
    all.push(node);
    listed = [
      ...listed.filter((member) => member.node.id !== id),
      { node, zone: zoneOf(index), draining: false, diedAt: Number.POSITIVE_INFINITY },
    ];
    return node;
  };
  const change = (node: SimNode, changes: { draining?: boolean; diedAt?: number }) => {
    listed = listed.map((member) => (member.node === node ? { ...member, ...changes } : member));
  };
  const find = (index: number): SimNode => {
    const node = nodes.get(`node-${index}`);
    if (node === undefined) throw new Error(`there is no node-${index}`);
    return node;
  };

  for (let i = 0; i < world.nodes; i++) start(i);
  for (const i of world.edges.keys()) {
    // Each edge has its own, as in the product: it remembers the list that it was last asked about.
    const rank = createRank(placement);
    const zone = zoneOf(i);
    const choose = policies[world.policy]({ rank, random, zone, outstandingAt });
    const edge = createEdge({ driver, random, rank, zone, choose });
    edge.setMembers(members());
    driver.every(
      registryEveryMs,
      () => {
        if (!isFrozen) edge.setMembers(members());
      },
      random.uniform() * registryEveryMs,
    );
    edges.push(edge);
  }

  return {
    random,
    edges,
    find,
    nodes: () => [...nodes.values()],
    capacity: (world.nodes * world.slots * 1000) / serviceMs,
    kill: (index: number) => {
      const node = find(index);
      node.kill();
      change(node, { diedAt: driver.now() });
    },
    /** A node of this number starts, for the first time or again. */
    start,
    drain: (index: number) => change(find(index), { draining: true }),
    freezeRegistry: (isSo: boolean) => {
      isFrozen = isSo;
    },
    counts: (): Counts => {
      const total = { ...noCounts, busyMs: [...nodes.values()].map((node) => node.counts.busyMs) };
      for (const { counts } of edges) for (const name of edgeCounts) total[name] += counts[name];
      for (const { counts } of all) for (const name of nodeCounts) total[name] += counts[name];
      return total;
    },
  };
};

const edgeCounts = ['sent', 'atHome', 'near', 'retried', 'toOpen', 'shed', 'submitted'] as const;
const nodeCounts = ['started', 'refused', 'unasked'] as const;
const noCounts = {
  ...{ sent: 0, atHome: 0, near: 0, retried: 0, toOpen: 0, shed: 0, submitted: 0 },
  ...{ started: 0, refused: 0, unasked: 0 },
};
export type Counts = typeof noCounts & { busyMs: number[] };

const difference = (after: Counts, before: Counts): Counts => {
  const busyMs = after.busyMs.map((ms, i) => ms - (before.busyMs[i] ?? 0));
  const result = { ...after, busyMs };
  for (const name of [...edgeCounts, ...nodeCounts]) result[name] = after[name] - before[name];
  return result;
};

/** Users: who comes when, to which edge, and whether they come back after a refusal. */
const createUsers = (world: World, fleet: Fleet, driver: Driver, logins: Login[]) => {
  const untilMs = world.warmUpMs + world.measureMs + overlapMs;
  const { random, edges, capacity } = fleet;
  const sums = world.skew === undefined ? undefined : zipfSums(accountCount, world.skew);
  const [hot = '', hotShare = 0] = [accounts[0], world.hotShare];

  const pickAccount = (): string => {
    if (hotShare > 0 && random.uniform() < hotShare) return hot;
    const at = sums === undefined ? random.below(accountCount) : indexIn(sums, random.uniform());
    return accounts[at] ?? hot;
  };

  const login = (u: string, nth: number) => {
    const startedAt = driver.now();
    const atMs = startedAt - world.warmUpMs;
    edges[random.byShare(world.edges)]?.login(u, (outcome) => {
      const tookMs = driver.now() - startedAt;
      if (atMs >= 0) logins.push({ atMs, tookMs, outcome, isHot: u === hot, nth });
      if (outcome !== 'ok') comeBack(u, nth + 1);
    });
  };
  const comeBack = (u: string, nth: number) => {
    const { tries = 0, pauseMs } = world.patience ?? {};
    if (nth <= tries && pauseMs !== undefined)
      driver.after(pauseMs(nth, random.uniform), () => login(u, nth));
  };

  const arrive = () => {
    const perMs = (world.load(driver.now() - world.warmUpMs) * capacity) / 1000;
    driver.after(random.exponential(1 / perMs), () => {
      if (driver.now() > untilMs) return;
      arrive();
      login(pickAccount(), 0);
    });
  };
  return { start: arrive };
};

const sampler = (fleet: Fleet, samples: Sample[], driver: Driver, fromMs: number) => () => {
  samples.push({
    atMs: driver.now() - fromMs,
    inflight: fleet.nodes().map((node) => node.load().inflight),
    open: fleet.edges.map((edge) => edge.nodes().filter(({ breaker }) => breaker.isOpen()).length),
    isPanic: fleet.edges.map((edge) => edge.isPanic()),
  });
};

/** What was offered in the measured time, and everything that became of it. */
export const runWorld = async (world: World, seed: number): Promise<Run> => {
  const driver = createDriver();
  const fleet = createFleet(world, seed, driver);
  const logins: Login[] = [];
  const samples: Sample[] = [];
  world.start?.(fleet);
  createUsers(world, fleet, driver, logins).start();
  await driver.run(world.warmUpMs);
  const before = fleet.counts();
  driver.every(sampleEveryMs, sampler(fleet, samples, driver, world.warmUpMs));
  for (const { atMs, run } of world.events ?? []) driver.after(atMs, () => run(fleet));
  const endMs = world.warmUpMs + world.measureMs;
  await driver.run(endMs);
  const counts = difference(fleet.counts(), before);
  // Whoever came in time is waited for.
  await driver.run(endMs + patienceMs);
  const asked = logins.filter(({ atMs }) => atMs < world.measureMs);
  return { logins: asked, counts, samples, capacity: fleet.capacity };
};
