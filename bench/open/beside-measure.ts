/**
 * The measuring behind the benches that ask whether others notice: the same load in turns with somebody
 * beside it and without.
 */
import { type Layout, place, usedMs } from '../cpu.js';
import type { Kind } from '../fleet.js';
import { besideNeighbours } from '../neighbours.js';
import type { Options } from '../report.js';
import { type Comparison, compare } from '../slices.js';
import { percentile } from '../stats.js';
import type { Users } from '../users.js';
import type { Sample } from './generator.js';
import { closeRig, measureCapacity, openRig, pidsOf, type Rig } from './rig.js';
import { isServed, latencies } from './samples.js';

/** Of the capacity, without anybody beside it. */
export const load = 0.7;
export const sizes = {
  users: 1500,
  warmUpMs: 10_000,
  capacityMs: 4000,
  slice: { settleMs: 500, windowMs: 5000 },
};
export type Slice = {
  /** p99 of the others that were served. */
  rate: number;
  others: Sample[];
  beside: Sample[];
  /** Beside the others in the whole slice, its beginning included, and the CPU milliseconds of that. */
  sent: number;
  cpuMs: { edges: number; redis: number };
};
export type Beside = {
  capacity: number;
  slice: typeof sizes.slice;
  comparison: Comparison<Slice, Slice>;
};

/** What is sent in a slice: multiples of the capacity by group. */
type Mix = Record<string, number>;
/** `others` first, and who is beside them. */
export type Crowd = {
  groupsOf: (users: Users) => { others: string[] } & Record<string, string[]>;
  /** Called for each slice. */
  mix: () => Mix;
  /** Of a slice, where that depends on the capacity. */
  longestMs?: (capacity: number) => number;
  layout?: Layout;
};

const createMeter = ({ fleet }: Rig) => {
  const used = (kind: Kind): number =>
    usedMs(
      fleet
        .processes()
        .filter((one) => one.kind === kind)
        .map(({ pid }) => pid),
    );
  const before = { edges: used('edges'), redis: used('redis') };
  return () => ({ edges: used('edges') - before.edges, redis: used('redis') - before.redis });
};

type Given = { rig: Rig; slice: typeof sizes.slice; capacity: number };

const send = async ({ rig, slice, capacity }: Given, mix: Mix): Promise<Slice> => {
  const total = Object.values(mix).reduce((sum, factor) => sum + factor, 0);
  const durationMs = slice.settleMs + slice.windowMs;
  const read = createMeter(rig);
  const run = await rig.load.run({ phases: [{ perSecond: total * capacity, durationMs }], mix });
  const cpuMs = read();
  const samples = run.samples.filter(({ at }) => at >= slice.settleMs);
  const isOther = ({ group }: Sample) => group === 'others';
  const others = samples.filter(isOther);
  const beside = samples.filter((sample) => !isOther(sample));
  const sent = run.samples.filter((sample) => !isOther(sample)).length;
  const rate = percentile(latencies(others.filter(isServed)), 0.99);
  return { rate, others, beside, sent, cpuMs };
};

/** Of the others: a p99 of those served says nothing of who was refused. */
export const servedShare = (slices: readonly Slice[]): number => {
  const others = slices.flatMap((slice) => slice.others);
  return others.filter(isServed).length / others.length;
};

export const measureBeside = async (
  options: Options,
  { groupsOf, mix, longestMs = () => Number.POSITIVE_INFINITY, layout = 'shared' }: Crowd,
  its = sizes,
): Promise<Beside> => {
  const { users, warmUpMs, capacityMs } = its;
  const rig = await openRig(options, { nodes: 2, threadsPerNode: 1, users, warmUpMs }, groupsOf);
  try {
    place(pidsOf(rig), layout);
    const capacity = await measureCapacity(rig, rig.slots, capacityMs);
    const { settleMs, windowMs } = its.slice;
    const slice = { settleMs, windowMs: Math.min(windowMs, longestMs(capacity) - settleMs) };
    const given = { rig, slice, capacity };
    const comparison = await compare<Slice, Slice>({
      ...besideNeighbours(pidsOf(rig), options),
      a: () => send(given, mix()),
      b: () => send(given, { others: load }),
    });
    return { capacity, slice, comparison };
  } finally {
    await closeRig(rig);
  }
};
