/**
 * The measuring behind the hotkey bench: the same load in turns with and without a hot account. Each
 * slice has a hot account of its own, because after 60 logins a minute an account is turned away at
 * the edge, which would cost nothing.
 */
import { besideNeighbours } from '../neighbours.js';
import type { Options } from '../report.js';
import { type Comparison, compare } from '../slices.js';
import { percentile } from '../stats.js';
import { forwardedLogins, type Users } from '../users.js';
import type { Sample } from './generator.js';
import { closeRig, measureCapacity, openRig, pidsOf, type Rig } from './rig.js';
import { isServed, latencies } from './samples.js';

export const load = 0.7;
export const hotShare = 0.2;
const hotAccounts = 20;
export const sizes = {
  users: 1500,
  warmUpMs: 10_000,
  capacityMs: 4000,
  slice: { settleMs: 500, windowMs: 5000 },
};
export type Slice = { rate: number; others: Sample[]; hot: Sample[] };

/** The last users are the hot ones, each a group of its own. */
const groupsOf = (users: Users): Record<string, string[]> => {
  const requests = forwardedLogins(users);
  const hot = requests.slice(-hotAccounts).map((request, i) => [`hot-${i}`, [request]] as const);
  return { others: requests.slice(0, -hotAccounts), ...Object.fromEntries(hot) };
};

type Given = { rig: Rig; slice: typeof sizes.slice; perSecond: number };

const send = async (
  { rig, slice, perSecond }: Given,
  mix: Record<string, number>,
): Promise<Slice> => {
  const durationMs = slice.settleMs + slice.windowMs;
  const run = await rig.load.run({ phases: [{ perSecond, durationMs }], mix });
  const samples = run.samples.filter(({ at }) => at >= slice.settleMs);
  const others = samples.filter(({ group }) => group === 'others');
  const hot = samples.filter(({ group }) => group !== 'others');
  return { rate: percentile(latencies(others.filter(isServed)), 0.99), others, hot };
};

export const measureHotKey = async (
  options: Options,
  its = sizes,
): Promise<{ capacity: number; comparison: Comparison<Slice, Slice> }> => {
  const { slice, users, warmUpMs, capacityMs } = its;
  const rig = await openRig(
    options,
    { nodes: 2, threadsPerNode: 1, users: users + hotAccounts, warmUpMs },
    groupsOf,
  );
  try {
    const capacity = await measureCapacity(rig, rig.slots, capacityMs);
    const given = { rig, slice, perSecond: load * capacity };
    let taken = 0;
    const comparison = await compare<Slice, Slice>({
      ...besideNeighbours(pidsOf(rig), options),
      a: () =>
        send(given, {
          others: 1 - hotShare,
          [`hot-${taken++ % hotAccounts}`]: hotShare,
        }),
      b: () => send(given, { others: 1 }),
    });
    return { capacity, comparison };
  } finally {
    await closeRig(rig);
  }
};
