/**
 * What every open-loop bench stands on: a fleet behind a trusted proxy (so that each simulated client
 * has an address of its own), accounts, warm code, clients in a process of their own.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { type Fleet, type FleetOptions, startFleet } from '../fleet.js';
import type { Options } from '../report.js';
import { createUsers, forwardedLogins, type Users } from '../users.js';
import { createLoad, type Load } from './load.js';

export type Rig = { fleet: Fleet; load: Load; users: Users; options: Options; slots: number };
type RigOptions = FleetOptions & { users: number; warmUpMs?: number };

/** More would be refused, fewer leave threads idle. */
export const clientsPerSlot = 3;
/** Nodes that joined a running gateway get their full share after ten seconds. */
export const rampMs = 10_500;

/** `groupsOf`: the clients, `{ all: … }` with one each by default. */
export const openRig = async (
  options: Options,
  { users: userCount, warmUpMs = 10_000, ...fleetOptions }: RigOptions,
  groupsOf: (users: Users) => Record<string, string[]> = (users) => ({
    all: forwardedLogins(users),
  }),
): Promise<Rig> => {
  options.progress('starting');
  const { nodes, threadsPerNode, profile = options.profile } = fleetOptions;
  const gatewayEnv = { TRUSTED_PROXIES: '127.0.0.1', ...fleetOptions.gatewayEnv };
  const fleet = await startFleet({ ...fleetOptions, gatewayEnv, profile });
  try {
    options.progress(`creating ${userCount} users`);
    const users = await createUsers(fleet, userCount);
    const target = { host: '127.0.0.1', port: fleet.port };
    const load = await createLoad({ target, groups: groupsOf(users) });
    const slots = nodes * threadsPerNode;
    options.progress(`warming up for ${warmUpMs / 1000} s`);
    await load.capacity(clientsPerSlot * slots, warmUpMs);
    await sleep(500);
    return { fleet, load, users, options, slots };
  } catch (error) {
    await fleet.stop();
    throw error;
  }
};

export const closeRig = async ({ fleet, load }: Rig) => {
  await load.stop();
  await fleet.stop();
};

/** Logins per second of `slots` threads, just now. */
export const measureCapacity = async (
  { load, options }: Rig,
  slots: number,
  durationMs: number,
): Promise<number> => {
  options.progress('measuring the capacity');
  const rate = await load.capacity(clientsPerSlot * slots, durationMs);
  // The queue that the closed loop leaves behind is not part of what comes next.
  await sleep(1000);
  return rate;
};

export const pidsOf = ({ fleet, load }: Rig): number[] => [
  ...fleet.processes().map(({ pid }) => pid),
  load.pid,
];
