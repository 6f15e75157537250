/**
 * The measuring behind the failover bench: three nodes under six tenths of what two of them can do,
 * and one of them is killed, stopped, made to fail at once, or made three times slower.
 */
import { copyFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { FleetNode } from '../fleet-nodes.js';
import { type Peer, startPeer } from '../peer.js';
import type { Options } from '../report.js';
import type { FaultyCalls } from './faulty-node.js';
import type { Sample } from './generator.js';
import { nowMs } from './load.js';
import { type Metrics, readMetrics } from './metrics.js';
import { clientsPerSlot, closeRig, openRig, type Rig } from './rig.js';
import { type Proof, readProof } from './verdicts.js';

export const load = 0.6;
type FaultName = 'kill -9' | 'SIGSTOP' | '3 × slower' | 'fast-failing';
export type Sizes = typeof sizes;
const allFaults: FaultName[] = ['kill -9', 'SIGSTOP', '3 × slower', 'fast-failing'];
export const sizes = { faults: allFaults, kills: 3, calmMs: 4000, users: 1000, warmUpMs: 10_000 };
const pollMs = 50;
const edges = 2;
/** Runs a third of the time: three times slower, as under a CPU quota. */
const slow = { stoppedMs: 20, runningMs: 10 };
const failures = ['died', 'timeout', 'unreached', 'broken', 'bad_answer'];

type Mark = { at: number; label: string };
export type Scenario = {
  name: string;
  samples: Sample[];
  marks: Mark[];
  /** At the last edge, after the fault; undefined when it did not happen, or was not looked for. */
  openMs: number | undefined;
  /** Until no edge chose the node any more: its breaker open, or the node suspect or gone. */
  avoidedMs: number | undefined;
  /** Of the faulty node per edge, until its breaker was open. */
  failuresPerEdge: number;
};
export type Failover = { capacity: number; perSecond: number; scenarios: Scenario[]; proof: Proof };

type Opening = Pick<Scenario, 'openMs' | 'avoidedMs' | 'failuresPerEdge'>;
type Fault = (stage: Stage) => Promise<void>;
type Stage = {
  rig: Rig;
  faultMs: number;
  mark: (label: string) => void;
  /** Looks at the breaker of this node from now on. */
  watch: (node: FleetNode) => void;
};

type NodeState = {
  id: string;
  state: string;
  weight: number;
  edges: number;
  edges_open: number;
  edges_avoiding: number;
};

const nodeStates = async (rig: Rig): Promise<NodeState[]> =>
  JSON.parse(await rig.fleet.admin('GET', '/nodes')).nodes;

/** All three known to the edges and at their full weight. */
const untilWhole = async (rig: Rig) => {
  for (let tries = 0; tries < 60; tries++) {
    const states = await nodeStates(rig);
    if (states.length === 3 && states.every((n) => n.state === 'closed' && n.weight === 1)) return;
    await sleep(500);
  }
  throw new Error(`the nodes do not recover: ${await rig.fleet.admin('GET', '/nodes')}`);
};

const failuresOf = (metrics: Metrics, node: string): number =>
  failures.reduce((sum, outcome) => sum + metrics('node_forwards_total', { node, outcome }), 0);

/** Polls the edges' view of `node` until its breaker is open at each, or nobody wants to know. */
const findOpening = async (rig: Rig, node: FleetNode, isOver: () => boolean): Promise<Opening> => {
  const since = nowMs();
  // A node that hangs keeps a scrape waiting: its failures before are read beside the polls.
  const before = readMetrics(rig.fleet).then((metrics) => failuresOf(metrics, node.id));
  let after: Promise<number> | undefined;
  const opening: Opening = { openMs: undefined, avoidedMs: undefined, failuresPerEdge: 0 };
  for (; !isOver() && opening.openMs === undefined; await sleep(pollMs)) {
    const found = (await nodeStates(rig)).find(({ id }) => id === node.id);
    const at = nowMs() - since;
    if (found?.edges === edges && found.edges_open === edges) {
      opening.openMs = at;
      after = readMetrics(rig.fleet).then((metrics) => failuresOf(metrics, node.id));
    }
    const isAvoided = found === undefined || found.edges_avoiding === edges;
    if (!isAvoided || opening.avoidedMs !== undefined) continue;
    opening.avoidedMs = at;
  }
  if (after !== undefined) opening.failuresPerEdge = ((await after) - (await before)) / edges;
  return opening;
};

type Given = { rig: Rig; perSecond: number; calmMs: number };

const play = async (given: Given, name: FaultName, fault: Fault): Promise<Scenario> => {
  const { rig, perSecond } = given;
  const { options } = rig;
  options.progress(`${name}: all nodes at full weight`);
  await untilWhole(rig);
  options.progress(`${name}: ${perSecond.toFixed(0)} logins/s`);
  const running = rig.load.run({ phases: [{ perSecond, durationMs: 600_000 }] });
  const marks: { at: number; label: string }[] = [];
  let opening: Promise<Opening> | undefined;
  let isOver = false;
  await sleep(given.calmMs);
  await fault({
    rig,
    faultMs: options.durationSeconds * 600,
    mark: (label) => {
      options.progress(`${name}: ${label}`);
      marks.push({ at: nowMs(), label });
    },
    watch: (node) => {
      opening = findOpening(rig, node, () => isOver);
    },
  });
  await rig.load.endRun();
  isOver = true;
  const { startedAt, samples } = await running;
  const found = (await opening) ?? {
    ...{ openMs: undefined, avoidedMs: undefined, failuresPerEdge: 0 },
  };
  const relative = marks.map(({ at, label }) => ({ at: at - startedAt, label }));
  return { name, samples, marks: relative, ...found };
};

const killing =
  (times: number): Fault =>
  async ({ rig, faultMs, mark }) => {
    const { nodes } = rig.fleet;
    for (let i = 0; i < times; i++) {
      const victim = nodes.all()[0];
      if (victim === undefined) throw new Error('there is no node to kill');
      mark('kill -9');
      await nodes.kill(victim);
      await sleep(faultMs / 2);
      mark('start');
      await nodes.start({ threads: 1, id: victim.id });
      mark('ready');
      await sleep(faultMs / 2);
    }
  };

const lastNode = (rig: Rig): FleetNode => {
  const node = rig.fleet.nodes.all().at(-1);
  if (node === undefined) throw new Error('there is no node');
  return node;
};

const stopped: Fault = async ({ rig, faultMs, mark, watch }) => {
  const node = lastNode(rig);
  mark('SIGSTOP');
  node.child.kill('SIGSTOP');
  watch(node);
  await sleep(faultMs);
  mark('SIGCONT');
  node.child.kill('SIGCONT');
  await sleep(faultMs);
};

const slowed: Fault = async ({ rig, faultMs, mark, watch }) => {
  const node = lastNode(rig);
  mark('3 × slower');
  watch(node);
  for (const until = nowMs() + faultMs; nowMs() < until; ) {
    node.child.kill('SIGSTOP');
    await sleep(slow.stoppedMs);
    node.child.kill('SIGCONT');
    await sleep(slow.runningMs);
  }
  mark('as before');
  await sleep(faultMs / 2);
};

/** Instead of the last node, one behind a socket of ours. */
const replaceByFaulty = async (rig: Rig): Promise<Peer<FaultyCalls>> => {
  const { dir: runtimeDir, nodes, onStop } = rig.fleet;
  const behind = join(runtimeDir, 'behind');
  mkdirSync(behind, { mode: 0o700 });
  copyFileSync(join(runtimeDir, 'dir_id'), join(behind, 'dir_id'));
  const faulty = startPeer<FaultyCalls>('open/faulty-node.ts');
  onStop(faulty.stop);
  await nodes.leave(lastNode(rig));
  await nodes.start({ threads: 1, env: { RUNTIME_DIR: behind } });
  await faulty.ask('stand', { runtimeDir, behind });
  return faulty;
};

const failing =
  (faulty: Peer<FaultyCalls>): Fault =>
  async ({ rig, faultMs, mark, watch }) => {
    watch(lastNode(rig));
    mark('500 at once');
    await faulty.ask('setMode', 'fail');
    await sleep(faultMs);
    mark('as before');
    await faulty.ask('setMode', 'pass');
    await sleep(faultMs);
  };

/** What happens, and what has to be there first. */
const prepare = async (rig: Rig, name: FaultName, its: Sizes): Promise<Fault> => {
  if (name === 'kill -9') return killing(its.kills);
  if (name === 'SIGSTOP') return stopped;
  if (name === '3 × slower') return slowed;
  return failing(await replaceByFaulty(rig));
};

/** What two of the three do while the third is drained. */
const capacityOfTwo = async (rig: Rig): Promise<number> => {
  const { fleet, load: clients, options } = rig;
  const { id } = lastNode(rig);
  await fleet.admin('POST', `/nodes/${id}/drain`);
  await sleep(1500);
  options.progress('measuring the capacity of two nodes');
  const capacity = await clients.capacity(2 * clientsPerSlot, options.durationSeconds * 600);
  await fleet.admin('POST', `/nodes/${id}/undrain`);
  return capacity;
};

export const measureFailover = async (options: Options, its = sizes): Promise<Failover> => {
  const { users, warmUpMs, calmMs } = its;
  const rig = await openRig(options, {
    ...{ nodes: 3, threadsPerNode: 1, edges, users, warmUpMs },
    nodeEnv: { LOG_LEVEL: 'debug' },
  });
  try {
    const capacity = await capacityOfTwo(rig);
    const perSecond = load * capacity;
    const scenarios: Scenario[] = [];
    for (const name of its.faults) {
      const fault = await prepare(rig, name, its);
      scenarios.push(await play({ rig, perSecond, calmMs }, name, fault));
    }
    await sleep(500);
    return { capacity, perSecond, scenarios, proof: readProof(rig.fleet.dir) };
  } finally {
    await closeRig(rig);
  }
};
