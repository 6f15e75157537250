/**
 * A whole gateway in virtual time: edges, nodes, the registry between them, and users who arrive
 * whether or not anyone has time for them (open loop, Poisson). Runs one world and returns every
 * login with what became of it.
 */
import { createRank } from '../gateway/nodes/rank.js';
import { type Counts, difference, sumCounts } from './counts.js';
import { createDriver, type Driver } from './driver.js';
import { createEdge, type Edge, type Member } from './edge.js';
import { createNode, type SimNode, secret } from './node.js';
import { policies } from './policies.js';
import { createRandom } from './random.js';
import { createMembership, createStore, readEveryMs } from './registry.js';
import { createUsers } from './users.js';
import {
  type Fleet as Handles,
  type Login,
  type Run,
  type Sample,
  serviceMs,
  type World,
} from './world.js';

type Fleet = ReturnType<typeof createFleet>;

const sampleEveryMs = 10;
/** Longer than any deadline. */
const patienceMs = 2600;
/** Nodes beat at moments of their own, as evenly spread as can be for any number of them. */
const goldenRatio = (Math.sqrt(5) - 1) / 2;

const createFleet = (world: World, seed: number, driver: Driver) => {
  const random = createRandom(seed);
  // The seed decides where accounts belong, as the secret does in the product.
  const placement = `${secret} ${seed}`;
  const edges: Edge[] = [];
  const store = createStore<Member>(driver.now);
  const draining = new Set<SimNode>();
  let boots = 0;
  const lengths = new Int32Array(world.nodes);
  const nodes = new Map<string, SimNode>();
  /** Those whose place another boot has taken. */
  const gone: SimNode[] = [];

  const zoneOf = (index: number): string => `zone-${index % (world.zones ?? 1)}`;
  const start = (index: number): SimNode => {
    const id = `node-${index}`;
    const zone = zoneOf(index);
    const bootId = `boot-${boots++}`;
    const node = createNode({
      ...{ id, bootId, slots: world.slots, serviceMs, driver, random },
      beatPhase: (boots * goldenRatio) % 1,
      expect: (change) => {
        lengths[index] = (lengths[index] ?? 0) + change;
      },
      beat: () => store.beat(id, { node, zone, draining: draining.has(node) }),
    });
    const before = nodes.get(id);
    if (before !== undefined) gone.push(before);
    nodes.set(id, node);
    node.beat();
    return node;
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
    let begun = 0;
    const slowStarts = () => begun;
    const choose = policies[world.policy]({ rank, random, zone, lengths, slowStarts });
    const onSlowStart = () => {
      begun++;
    };
    const edge = createEdge({ driver, random, rank, zone, choose, onSlowStart });
    const isDraining = (member: Member) => member.draining;
    const members = createMembership({ read: store.read, isDraining, now: driver.now });
    const read = () => edge.setMembers([...members().values()]);
    read();
    driver.every(readEveryMs, read, random.uniform() * readEveryMs);
    edges.push(edge);
  }

  const handles: Handles = {
    find,
    start,
    kill: (index) => find(index).kill(),
    drain: (index) => {
      const node = find(index);
      draining.add(node);
      node.beat();
    },
    freezeRegistry: store.freeze,
  };
  return {
    ...handles,
    random,
    edges,
    nodes: () => [...nodes.values()],
    capacity: (world.nodes * world.slots * 1000) / serviceMs,
    counts: (): Counts =>
      sumCounts(
        edges.map(({ counts }) => counts),
        [...nodes.values()].map(({ counts }) => counts),
        gone.map(({ counts }) => counts),
      ),
  };
};

const sampler = (fleet: Fleet, samples: Sample[], driver: Driver, fromMs: number) => () => {
  samples.push({
    atMs: driver.now() - fromMs,
    inflight: fleet.nodes().map((node) => node.inflight()),
    deepest: Math.max(...fleet.nodes().map((node) => node.takePeak())),
    open: fleet.edges.map((edge) => edge.openCount()),
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
  // What was the most until now is none of the measured time.
  for (const node of fleet.nodes()) node.takePeak();
  const stopSampling = driver.every(sampleEveryMs, sampler(fleet, samples, driver, world.warmUpMs));
  for (const { atMs, run } of world.events ?? []) driver.after(atMs, () => run(fleet));
  const endMs = world.warmUpMs + world.measureMs;
  await driver.run(endMs);
  stopSampling();
  const counts = difference(fleet.counts(), before);
  // Whoever came in time is waited for.
  await driver.run(endMs + patienceMs);
  const asked = logins.filter(({ atMs }) => atMs < world.measureMs);
  return { logins: asked, counts, samples, capacity: fleet.capacity };
};
