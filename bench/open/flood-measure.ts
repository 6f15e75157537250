/**
 * The measuring behind the flood bench: more logins than one edge can look at, from clients that keep their
 * connections and ask again at once, and beside them token checks at a fixed rate, on kept connections and
 * on new ones. The edge has core 0 to itself; its node, Redis and the clients share the other.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { pin, usedMs } from '../cpu.js';
import type { Options } from '../report.js';
import { parsePair } from '../tokens.js';
import { verifyRequests } from '../users.js';
import { createLoad, type Load } from './load.js';
import { growth, readMetrics } from './metrics.js';
import { closeRig, measureCapacity, openRig, pidsOf, type Rig } from './rig.js';
import { type Summary, summarise } from './samples.js';
import { takeReadings } from './soak-watch.js';

export const checksPerSecond = { kept: 50, fresh: 20 };
export const sizes = {
  users: 2000,
  warmUpMs: 10_000,
  capacityMs: 4000,
  clients: [0, 64, 256, 1024],
  /** Until all of them are connected. */
  settleMs: 5000,
};
export type Level = {
  clients: number;
  logins: Summary;
  /** Token checks on kept connections, and each on one of its own. */
  kept: Summary;
  fresh: Summary;
  /** Of all answers to logins: refused without being read. */
  unreadShare: number;
  /** Of the time, in which the node's thread had a hash to work on, at whatever speed. */
  busyShare: number;
  /** Of the edge per login, the few checks beside them included. */
  edgeCpuUs: number;
  /** Of the edge, at the beginning and at the end of what is looked at. */
  edgeMiB: { first: number; last: number };
};
type FloodResult = { capacity: number; levels: Level[] };
type Checks = { kept: Load; fresh: Load };

const signIn = async ({ fleet, users }: Rig): Promise<string> => {
  const answer = await fetch(`http://127.0.0.1:${fleet.port}/v1/login`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ username: users.names[0], password: users.password }),
  });
  if (answer.status !== 200) throw new Error(`a login before the flood: ${answer.status}`);
  return parsePair(await answer.text()).access;
};

type Given = { rig: Rig; checks: Checks; its: typeof sizes };

const edgesOf = ({ fleet }: Rig) => fleet.processes().filter(({ kind }) => kind === 'edges');

/** Of all edges, in MiB. */
const memoryOf = (rig: Rig): number =>
  takeReadings(0, edgesOf(rig)).reduce((sum, { rssMiB }) => sum + rssMiB, 0);

const measureLevel = async (given: Given, clients: number): Promise<Level> => {
  const { rig, its } = given;
  const { kept, fresh } = given.checks;
  const durationMs = its.settleMs + rig.options.durationSeconds * 1000;
  const window = { fromMs: its.settleMs, toMs: durationMs };
  const plan = (perSecond: number) => ({ phases: [{ perSecond, durationMs }] });
  const edgeMs = () => usedMs(edgesOf(rig).map(({ pid }) => pid));
  const before = await readMetrics(rig.fleet);
  const edgeMsBefore = edgeMs();
  const [logins, keptRun, freshRun, first] = await Promise.all([
    rig.load.flood(clients, durationMs),
    kept.run(plan(checksPerSecond.kept)),
    fresh.run({ ...plan(checksPerSecond.fresh), closing: true }),
    sleep(its.settleMs).then(() => memoryOf(rig)),
  ]);
  const edgeMiB = { first, last: memoryOf(rig) };
  const edgeCpuUs = ((edgeMs() - edgeMsBefore) * 1000) / Math.max(1, logins.samples.length);
  const grown = growth(before, await readMetrics(rig.fleet));
  await sleep(1000);
  return {
    clients,
    logins: summarise(logins.samples, window),
    kept: summarise(keptRun.samples, window),
    fresh: summarise(freshRun.samples, window),
    unreadShare:
      grown('node_shed_total', { reason: 'behind' }) / Math.max(1, logins.samples.length),
    busyShare: (grown('hash_seconds_sum') * 1000) / (durationMs * rig.slots),
    edgeCpuUs,
    edgeMiB,
  };
};

export const measureFlood = async (options: Options, its = sizes): Promise<FloodResult> => {
  const { users, warmUpMs, capacityMs } = its;
  const rig = await openRig(options, { nodes: 1, threadsPerNode: 1, edges: 1, users, warmUpMs });
  const loads: Load[] = [];
  try {
    const target = { host: '127.0.0.1', port: rig.fleet.port };
    const groups = { all: verifyRequests([await signIn(rig)]) };
    const openChecks = async () => {
      const load = await createLoad({ target, groups });
      loads.push(load);
      return load;
    };
    const checks: Checks = { kept: await openChecks(), fresh: await openChecks() };
    for (const pid of [...pidsOf(rig), ...loads.map((load) => load.pid)]) pin(pid, '1');
    for (const { pid } of edgesOf(rig)) pin(pid, '0');
    const capacity = await measureCapacity(rig, rig.slots, capacityMs);
    const levels: Level[] = [];
    for (const clients of its.clients) {
      options.progress(`${clients} clients that ask again at once`);
      levels.push(await measureLevel({ rig, checks, its }, clients));
    }
    return { capacity, levels };
  } finally {
    await Promise.all(loads.map((load) => load.stop()));
    await closeRig(rig);
  }
};
