/**
 * The measuring behind the soak: four fifths of the capacity for many minutes, and every few seconds
 * something happens. Edges are reloaded only at first and one node is never killed, so that some
 * processes of each kind live long enough for a leak to show.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { FleetNode } from '../fleet-nodes.js';
import { nowMs } from '../pacer.js';
import type { Options } from '../report.js';
import type { Sample } from './generator.js';
import { clientsPerSlot, closeRig, openRig, type Rig } from './rig.js';
import { type Reading, takeReadings } from './soak-watch.js';
import { type Proof, readProof } from './verdicts.js';

export const load = 0.8;
/** Edges live from here on; also the time that heaps get to reach their size. */
export const warmShare = 0.4;
/** The last reload begins before, so that it has ended by then. */
const reloadShare = 0.38;
const nodeCount = 3;
/** Few users, so that each soon has its 100 sessions and the store stops growing. */
export const sizes = { users: 300, warmUpMs: 10_000 };
const faultEveryMs = 6000;
const readEveryMs = 2000;
/**
 * One that was killed is listed as it was for up to three seconds, one that was stopped for longer is
 * back with its next heartbeat: an operator asks again.
 */
const tries = 50;
const redisPauseMs = 200;
/**
 * The admin process does so little that its heap would be on its way to its size until the end, or be collected
 * once in between. So it is asked for a while where what is judged begins, and again where its last quarter does.
 */
const askedAdmin = {
  ...{ forMs: 15_000, together: 4 },
  atShares: [warmShare, 1 - (1 - warmShare) / 4],
};

type Happening = { at: number; label: string };
export type Soak = {
  minutes: number;
  capacity: number;
  perSecond: number;
  samples: Sample[];
  happenings: Happening[];
  readings: Reading[];
  proof: Proof;
};
type Fault = { label: string; early?: boolean; run: (rig: Rig) => Promise<void> };

const pick = <T>(items: readonly T[]): T => {
  const item = items[Math.floor(Math.random() * items.length)];
  if (item === undefined) throw new Error('there is nothing to choose from');
  return item;
};

/** Any but the first, which lives as long as the soak. */
const mortal = ({ fleet }: Rig): FleetNode =>
  pick(fleet.nodes.all().filter(({ id }) => id !== 'node-0'));

const faults: Fault[] = [
  {
    label: 'SIGHUP',
    early: true,
    run: async ({ fleet }) => {
      process.kill(fleet.gatewayPid, 'SIGHUP');
      await sleep(2000);
    },
  },
  {
    label: 'kill -9',
    run: async (rig) => {
      const node = mortal(rig);
      await rig.fleet.nodes.kill(node);
      await sleep(500);
      await rig.fleet.nodes.start({ threads: 1, id: node.id });
    },
  },
  {
    label: 'SIGSTOP',
    run: async ({ fleet }) => {
      const { child } = pick(fleet.nodes.all());
      child.kill('SIGSTOP');
      await sleep(500 + Math.random() * 2500);
      child.kill('SIGCONT');
    },
  },
  {
    label: 'drain',
    run: async (rig) => {
      const { fleet } = rig;
      const { id } = pick(fleet.nodes.all());
      await fleet.admin('POST', `/nodes/${id}/drain`, { tries });
      await sleep(2000);
      await fleet.admin('POST', `/nodes/${id}/undrain`, { tries });
    },
  },
  {
    label: 'Redis pause',
    run: async ({ fleet }) => {
      process.kill(fleet.redis.pid, 'SIGSTOP');
      await sleep(redisPauseMs);
      process.kill(fleet.redis.pid, 'SIGCONT');
    },
  },
];

/** What many scrapers ask in a day. The last reload, which replaced the process, is over. */
const askAdmin = async ({ fleet }: Rig, forMs: number) => {
  await fleet.admin('GET', '/nodes', { tries });
  const end = nowMs() + forMs;
  const ask = async () => {
    while (nowMs() < end)
      for (const path of ['/metrics', '/nodes']) await fleet.admin('GET', path, { tries });
  };
  await Promise.all(Array.from({ length: askedAdmin.together }, ask));
};

/** Each fault in turn at first, so that a short soak sees them all; then at random. */
const chooseFault = (count: number, share: number): Fault => {
  const allowed = faults.filter(({ early }) => early !== true || share < reloadShare);
  return (count < faults.length ? allowed[count] : undefined) ?? pick(allowed);
};

const disturb = async (rig: Rig, startedAt: number, forMs: number): Promise<Happening[]> => {
  const happenings: Happening[] = [];
  const everyMs = Math.min(faultEveryMs, (warmShare * forMs) / faults.length);
  const asking = [...askedAdmin.atShares];
  for (
    let due = everyMs;
    due < forMs - everyMs;
    due = Math.max(due + everyMs, nowMs() - startedAt)
  ) {
    await sleep(Math.max(0, startedAt + due - nowMs()));
    if (due >= (asking[0] ?? 1) * forMs) {
      asking.shift();
      await askAdmin(rig, Math.min(askedAdmin.forMs, forMs / 20));
      continue;
    }
    const fault = chooseFault(happenings.length, due / forMs);
    happenings.push({ at: (nowMs() - startedAt) / 1000, label: fault.label });
    await fault.run(rig);
  }
  return happenings;
};

const observe = async (rig: Rig, startedAt: number, isOver: () => boolean) => {
  const readings: Reading[] = [];
  while (!isOver()) {
    const at = (nowMs() - startedAt) / 1000;
    const now = takeReadings(at, rig.fleet.processes());
    readings.push(...now);
    // As a scraper does, which misses one when the admin process is replaced.
    await rig.fleet.admin('GET', '/metrics').catch(() => '');
    const memory = now.reduce((sum, { rssMiB }) => sum + rssMiB, 0);
    rig.options.progress(
      `${at.toFixed(0)} s, ${await rig.load.sent()} logins, ${now.length} processes, ${memory.toFixed(0)} MiB`,
    );
    await sleep(readEveryMs);
  }
  return readings;
};

const soak = async (rig: Rig, minutes: number): Promise<Omit<Soak, 'proof'>> => {
  const forMs = minutes * 60_000;
  const capacity = await rig.load.capacity(clientsPerSlot * rig.slots, Math.min(5000, forMs / 10));
  await sleep(1000);
  const perSecond = load * capacity;
  const startedAt = nowMs();
  let isOver = false;
  const watching = observe(rig, startedAt, () => isOver);
  const running = rig.load.run({ phases: [{ perSecond, durationMs: forMs }] });
  const happenings = await disturb(rig, startedAt, forMs);
  const { samples } = await running;
  isOver = true;
  return { minutes, capacity, perSecond, samples, happenings, readings: await watching };
};

export const measureSoak = async (options: Options, its = sizes): Promise<Soak> => {
  const { minutes = 20 } = options;
  const { users, warmUpMs } = its;
  const rig = await openRig(options, {
    ...{ nodes: nodeCount, threadsPerNode: 1, edges: 2, users, warmUpMs },
  });
  try {
    const found = await soak(rig, minutes);
    await sleep(500);
    return { ...found, proof: readProof(rig.fleet.dir) };
  } finally {
    process.kill(rig.fleet.redis.pid, 'SIGCONT');
    await closeRig(rig);
  }
};
