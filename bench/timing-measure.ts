/**
 * The measuring behind the timing bench: a fleet with accounts of several kinds, and one client who
 * guesses (timing-probe.ts), while nothing else happens or beside logins at half the capacity.
 */
import { pbkdf2Sync, randomBytes } from 'node:crypto';
import { hashSync as argon2 } from '@node-rs/argon2';
import { hashSync as bcrypt } from '@node-rs/bcrypt';
import { createWatch } from './neighbours.js';
import { closeRig, measureCapacity, openRig, pidsOf, type Rig } from './open/rig.js';
import type { Options } from './report.js';
import { type Kind, openProbe, type Probe, type Round } from './timing-probe.js';
import { hashOptions, importUsers, password } from './users.js';

export type Phase = {
  /** LOGIN_FAILURE_FLOOR, and logins of others against what the nodes can do. */
  floorMs: number;
  load: number;
  rounds: Round[];
  /** Rounds with a refusal, which say nothing. */
  dropped: number;
  /** Share of the cores that programs outside of the bench took. */
  neighbours: number;
};
/** One fleet: its floor, and what is measured on it. */
export type Plan = { floorMs: number; phases: { load: number; rounds: number }[] };
export type Sizes = typeof sizes;

export const plantedMs = 2;
export const load = 0.5;
/** An account may fail ten times in a quarter of an hour. */
const triesPerAccount = 8;
export const sizes = {
  nodes: 2,
  /** For each of `pairs`. */
  rounds: 25,
  loadedRounds: 8,
  warmUpRounds: 9,
  warmUpMs: 8000,
  capacityMs: 4000,
  users: 600,
};

const pbkdf2Rounds = 260_000;

const djangoPbkdf2 = (): string => {
  const salt = randomBytes(12).toString('hex');
  const digest = pbkdf2Sync(password, salt, pbkdf2Rounds, 32, 'sha256').toString('base64');
  return `pbkdf2_sha256$${pbkdf2Rounds}$${salt}$${digest}`;
};

type Stored = { name: string; hash: () => string; status?: 'disabled' };
const stored: readonly Stored[] = [
  { name: 'argon2id', hash: () => argon2(password, hashOptions) },
  { name: 'disabled', hash: () => argon2(password, hashOptions), status: 'disabled' },
  { name: 'bcrypt', hash: () => bcrypt(password, { cost: 10 }) },
  { name: 'pbkdf2', hash: djangoPbkdf2 },
];

const accountOf = (name: string, at: number): string => `timing-${name}-${at}`;

/** A name that was never heard of each time. */
const unknown = (name: string) => (n: number) => `nobody-${name}-${n}`;

const kinds: readonly Kind[] = [
  { name: 'unknown', username: unknown('a') },
  { name: 'planted', username: unknown('b'), plantedMs },
  ...stored.map(({ name }) => ({
    name,
    username: (n: number) => accountOf(name, Math.floor(n / triesPerAccount)),
  })),
];

/** Kinds whose check costs the same: without the floor they must not differ either. */
export const equals = ['unknown', 'argon2id', 'disabled'];
export const names = kinds.map(({ name }) => name).filter((name) => name !== 'planted');

const importKinds = async ({ fleet }: Rig, rounds: number) => {
  const count = Math.ceil(rounds / triesPerAccount);
  for (const { name, hash, ...more } of stored) {
    const text = hash();
    const rows = Array.from({ length: count }, (_, at) => {
      return { username: accountOf(name, at), hash: text, ...more };
    });
    await importUsers(fleet, rows);
  }
};

type Wanted = { floorMs: number; load: number; rounds: number };

const takeRounds = async (
  { rig, probe, onRound }: { rig: Rig; probe: Probe; onRound: (done: number) => void },
  { floorMs, load, rounds: count }: Wanted,
): Promise<Phase> => {
  const rounds: Round[] = [];
  let dropped = 0;
  const end = createWatch(pidsOf(rig))();
  for (let at = 0; at < count; at++) {
    const round = await probe.round();
    if (round === undefined) dropped++;
    else rounds.push(round);
    onRound(at + 1);
  }
  return { floorMs, load, rounds, dropped, neighbours: end() };
};

/** Logins of others run until the rounds are over. */
const besideLogins = async (rig: Rig, perSecond: number, measure: () => Promise<Phase>) => {
  const running = rig.load.run({ phases: [{ perSecond, durationMs: 3_600_000 }] });
  try {
    return await measure();
  } finally {
    await rig.load.endRun();
    await running;
  }
};

const withRig = async (
  options: Options,
  its: Sizes,
  { floorMs, phases }: Plan,
): Promise<Phase[]> => {
  const rig = await openRig(options, {
    ...{ nodes: its.nodes, threadsPerNode: 1, edges: 1 },
    ...{ users: its.users, warmUpMs: its.warmUpMs },
    gatewayEnv: { LOGIN_FAILURE_FLOOR: `${floorMs}ms` },
  });
  try {
    const rounds = phases.reduce((sum, phase) => sum + phase.rounds, its.warmUpRounds);
    options.progress('creating accounts');
    await importKinds(rig, rounds);
    const probe = await openProbe({ host: '127.0.0.1', port: rig.fleet.port }, kinds);
    rig.fleet.onStop(probe.close);
    for (let at = 0; at < its.warmUpRounds; at++) await probe.round();
    const found: Phase[] = [];
    for (const phase of phases) {
      const title = `floor ${floorMs} ms, load ${phase.load}`;
      const onRound = (done: number) =>
        options.progress(`${title}: round ${done} of ${phase.rounds}`);
      const measure = () => takeRounds({ rig, probe, onRound }, { floorMs, ...phase });
      if (phase.load === 0) found.push(await measure());
      else {
        const capacity = await measureCapacity(rig, rig.slots, its.capacityMs);
        found.push(await besideLogins(rig, phase.load * capacity, measure));
      }
    }
    return found;
  } finally {
    await closeRig(rig);
  }
};

/** Idle with the floor, the same beside logins, and idle without the floor. */
const plansOf = ({ pairs }: Options, its: Sizes): Plan[] => {
  const idle = { load: 0, rounds: pairs * its.rounds };
  const loaded = { load, rounds: pairs * its.loadedRounds };
  return [
    { floorMs: 300, phases: [idle, loaded] },
    { floorMs: 0, phases: [idle] },
  ];
};

export const measureTiming = async (
  options: Options,
  its = sizes,
  plans = plansOf(options, its),
): Promise<Phase[]> => {
  const found: Phase[] = [];
  for (const plan of plans) found.push(...(await withRig(options, its, plan)));
  return found;
};
