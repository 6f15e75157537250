/**
 * The measuring behind the failover bench: three nodes under six tenths of what two of them can do,
 * and something happens to one of them.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { nowMs } from '../pacer.js';
import type { Options } from '../report.js';
import type { Sample } from './generator.js';
import { attemptsPerRequest, growth, readMetrics } from './metrics.js';
import { type Fault, type FaultName, faultNames, lastNode, prepare } from './node-faults.js';
import { edges, findOpening, notWatched, type Opening, untilWhole } from './opening.js';
import { groupsOf, mix } from './people.js';
import { clientsPerSlot, closeRig, openRig, type Rig } from './rig.js';
import { type Balance, balance, countSessions } from './sessions.js';
import { type Proof, readProof } from './verdicts.js';

export const load = 0.6;
const allFaults: readonly FaultName[] = faultNames;
export const sizes = { faults: allFaults, kills: 3, calmMs: 4000, users: 1000, warmUpMs: 10_000 };

type Mark = { at: number; label: string };
export type Scenario = Opening & {
  name: string;
  samples: Sample[];
  marks: Mark[];
  attemptsPerRequest: number;
};
export type Failover = {
  capacity: number;
  perSecond: number;
  scenarios: Scenario[];
  proof: Omit<Proof, 'accounts'>;
  balance: Balance;
};

type Given = { rig: Rig; perSecond: number; calmMs: number };

const play = async (given: Given, name: FaultName, fault: Fault): Promise<Scenario> => {
  const { rig, perSecond } = given;
  const { options } = rig;
  options.progress(`${name}: all nodes at full weight`);
  await untilWhole(rig);
  const before = await readMetrics(rig.fleet);
  options.progress(`${name}: ${perSecond.toFixed(0)} requests/s`);
  const phases = [{ perSecond, durationMs: 600_000 }];
  const running = rig.load.run({ phases, mix, withIds: true });
  const marks: Mark[] = [];
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
  const found = (await opening) ?? notWatched;
  const grown = growth(before, await readMetrics(rig.fleet));
  const relative = marks.map(({ at, label }) => ({ at: at - startedAt, label }));
  return {
    ...{ name, samples, marks: relative, ...found },
    attemptsPerRequest: attemptsPerRequest(grown),
  };
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
  const wanted = {
    ...{ nodes: 3, threadsPerNode: 1, edges, users, warmUpMs },
    nodeEnv: { LOG_LEVEL: 'debug' },
    gatewayEnv: { REGISTRATION: 'open' },
  };
  const rig = await openRig(options, wanted, groupsOf);
  try {
    const capacity = await capacityOfTwo(rig);
    const perSecond = load * capacity;
    const before = await countSessions(rig.fleet.redis);
    const scenarios: Scenario[] = [];
    for (const name of its.faults) {
      const fault = await prepare(rig, name, its);
      scenarios.push(await play({ rig, perSecond, calmMs }, name, fault));
    }
    await sleep(500);
    const counts = { before, after: await countSessions(rig.fleet.redis) };
    const { accounts, ...proof } = readProof(rig.fleet.dir);
    const samples = scenarios.flatMap((one) => one.samples);
    const found = { capacity, perSecond, scenarios, proof };
    return { ...found, balance: balance(samples, accounts, counts) };
  } finally {
    await closeRig(rig);
  }
};
