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
export const calmMs = 4000;
const kills = 3;
const userCount = 1000;
const edges = 2;
/** Runs a third of the time: three times slower, as under a CPU quota. */
const slow = { stoppedMs: 20, runningMs: 10 };
const failures = ['died', 'timeout', 'unreached', 'bad_answer'];

export type Mark = { at: number; label: string };
export type Scenario = {
  name: string;
  samples: Sample[];
  marks: Mark[];
  /** After the fault; undefined when no edge opened its breaker, or it was not looked for. */
  openMs: number | undefined;
  /** Of the faulty node per edge, until then. */
  failuresPerEdge: number;
};
export type Failover = { capacity: number; perSecond: number; scenarios: Scenario[]; proof: Proof };

type Fault = (stage: Stage) => Promise<void>;
type Stage = {
  rig: Rig;
  faultMs: number;
  mark: (label: string) => void;
  /** Looks at the breaker of this node from now on. */
  watch: (node: FleetNode) => void;
};

const nodeStates = async (rig: Rig): Promise<{ id: string; state: string; weight: number }[]> =>
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

/** Polls until the breaker of `node` is open at some edge, or nobody wants to know any more. */
const findOpening = async (rig: Rig, node: FleetNode, isOver: () => boolean) => {
  const before = await readMetrics(rig.fleet);
  const since = nowMs();
  while (!isOver()) {
    const found = (await nodeStates(rig)).find(({ id }) => id === node.id);
    if (found !== undefined && ['open', 'half-open'].includes(found.state)) {
      const openMs = nowMs() - since;
      const failed = failuresOf(await readMetrics(rig.fleet), node.id);
      return { openMs, failuresPerEdge: (failed - failuresOf(before, node.id)) / edges };
    }
    await sleep(50);
  }
  return { openMs: undefined, failuresPerEdge: 0 };
};

const play = async (rig: Rig, name: string, perSecond: number, fault: Fault): Promise<Scenario> => {
  const { options } = rig;
  options.progress(`${name}: all nodes at full weight`);
  await untilWhole(rig);
  options.progress(`${name}: ${perSecond.toFixed(0)} logins/s`);
  const running = rig.load.run({ phases: [{ perSecond, durationMs: 600_000 }] });
  const marks: { at: number; label: string }[] = [];
  let opening: ReturnType<typeof findOpening> | undefined;
  let isOver = false;
  await sleep(calmMs);
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
  const found = (await opening) ?? { openMs: undefined, failuresPerEdge: 0 };
  const relative = marks.map(({ at, label }) => ({ at: at - startedAt, label }));
  return { name, samples, marks: relative, ...found };
};

const killed: Fault = async ({ rig, faultMs, mark }) => {
  const { nodes } = rig.fleet;
  for (let i = 0; i < kills; i++) {
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
    mark('500 at once');
    await faulty.ask('setMode', 'fail');
    watch(lastNode(rig));
    await sleep(faultMs);
    mark('as before');
    await faulty.ask('setMode', 'pass');
    await sleep(faultMs);
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

export const measureFailover = async (options: Options): Promise<Failover> => {
  const rig = await openRig(options, {
    ...{ nodes: 3, threadsPerNode: 1, edges, users: userCount },
    nodeEnv: { LOG_LEVEL: 'debug' },
  });
  try {
    const capacity = await capacityOfTwo(rig);
    const perSecond = load * capacity;
    const scenarios = [
      await play(rig, 'kill -9', perSecond, killed),
      await play(rig, 'SIGSTOP', perSecond, stopped),
      await play(rig, '3 × slower', perSecond, slowed),
    ];
    const faulty = await replaceByFaulty(rig);
    scenarios.push(await play(rig, 'fast-failing', perSecond, failing(faulty)));
    await sleep(500);
    return { capacity, perSecond, scenarios, proof: readProof(rig.fleet.dir) };
  } finally {
    await closeRig(rig);
  }
};
