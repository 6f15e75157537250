/**
 * The measuring behind the campaign bench: logins at a fixed rate in slices with the campaign running
 * and paused in turn, then every node killed in the middle of it, and what is in the store at the end.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { besideNeighbours } from '../neighbours.js';
import { closeRig, measureCapacity, rampMs } from '../open/rig.js';
import { isServed, latencies } from '../open/samples.js';
import type { Options } from '../report.js';
import { type Comparison, compare } from '../slices.js';
import { percentile } from '../stats.js';
import { type Campaign, createCampaignCalls } from './campaign-calls.js';
import { type CampaignRig, keyId, openCampaignRig } from './campaign-rig.js';
import { loginOf } from './import-file.js';
import { listWrapped, type Records, readRecords } from './records.js';
import { signInEach } from './sign-in.js';

export type Slice = {
  /** p99, ms. */
  rate: number;
  p50: number;
  sent: number;
  served: number;
  /** There still was a campaign to run or to pause. */
  hasCampaign: boolean;
};
export type Wrapped = {
  rows: number;
  capacity: number;
  comparison: Comparison<Slice, Slice>;
  /** Records wrapped when the nodes were killed, 0 = it was over before. */
  wrappedAtKill: number;
  tookMs: number;
  campaign: Campaign;
  before: Records;
  after: Records;
  signIns: { tried: number; ok: number };
  atEnd: Records;
};

export const load = 0.7;
export const defaultRows = 100_000;
export const sizes = {
  nodes: 2,
  users: 2000,
  warmUpMs: 10_000,
  rampMs,
  capacityMs: 4000,
  slice: { settleMs: 1000, windowMs: 3000 },
};
type Sizes = typeof sizes;
type Calls = ReturnType<typeof createCampaignCalls>;
type Given = { rig: CampaignRig; calls: Calls; its: Sizes };

const settleMs = 1000;
/** A login's migration happens after its answer, or not at all when there is no room just then. */
const migratedMs = 1500;
const maxSignIns = 6;
/** An import writes version 1, a wrap 2, and the migration at the next login 3. */
export const wrappedOnce = '2 $wrap1';
export const unwrappedOnce = '3 $argon2id';

const sendLogins = async (
  { rig, calls, its: { slice } }: Given,
  perSecond: number,
  verb: 'pause' | 'resume',
): Promise<Slice> => {
  const hasCampaign = await calls.steer(verb);
  const durationMs = slice.settleMs + slice.windowMs;
  const { samples } = await rig.load.run({ phases: [{ perSecond, durationMs }] });
  const inside = samples.filter(({ at }) => at >= slice.settleMs);
  const served = latencies(inside.filter(isServed));
  return {
    rate: percentile(served, 0.99),
    p50: percentile(served, 0.5),
    sent: inside.length,
    served: served.length,
    hasCampaign,
  };
};

/** a: beside the campaign, b: while it is paused. */
const compareSlices = (given: Given, perSecond: number): Promise<Comparison<Slice, Slice>> =>
  compare<Slice, Slice>({
    ...besideNeighbours(given.rig.pids(), given.rig.options),
    a: () => sendLogins(given, perSecond, 'resume'),
    b: () => sendLogins(given, perSecond, 'pause'),
  });

const untilDone = (calls: Calls, rig: CampaignRig) =>
  calls.until(
    ({ status }) => status === 'done',
    ({ wrapped, due }) => rig.options.progress(`${wrapped} of ${due} wrapped`),
  );

/** At full speed, as nobody signs in now: kills every node after a part of what is left, unless it is over by then. */
const killInTheMiddle = async (rig: CampaignRig, calls: Calls): Promise<number> => {
  await calls.steer('resume');
  await calls.setShare(100);
  const { wrapped: from, due } = await calls.show();
  const { status, wrapped } = await calls.until(
    (now) => now.status === 'done' || now.wrapped >= from + (due - from) / 3,
    (now) => rig.options.progress(`${now.wrapped} of ${now.due} wrapped`),
  );
  if (status === 'done') return 0;
  rig.options.progress('killing every node');
  await rig.replaceNodes();
  return wrapped;
};

/** Every user signs in, again if need be, until all of their records are plain argon2id. */
const signInAll = async (rig: CampaignRig, rows: number) => {
  const { progress } = rig.options;
  let left = Array.from({ length: rows }, (_, i) => i);
  const ok = await signInEach(rig.fleet, { users: left, lanes: 2, progress });
  for (let times = 1; ; times++) {
    await sleep(migratedMs);
    const wrapped = await listWrapped(rig.fleet.redis);
    left = left.filter((i) => wrapped.has(loginOf(i)));
    if (left.length === 0 || times === maxSignIns) break;
    // One at a time, so that each migration finds a free thread.
    await signInEach(rig.fleet, { users: left, lanes: 1, progress });
  }
  return { signIns: { tried: rows, ok }, atEnd: await readRecords(rig.fleet.redis) };
};

export const measureCampaign = async (options: Options, its = sizes): Promise<Wrapped> => {
  const rows = options.rows ?? defaultRows;
  const rig = await openCampaignRig(options, { rows, ...its });
  try {
    const capacity = await measureCapacity(rig, rig.slots, its.capacityMs);
    const calls = createCampaignCalls(rig.fleet);
    const before = await readRecords(rig.fleet.redis);
    const startedAt = performance.now();
    await calls.start(keyId);
    await calls.until(
      ({ status, wrapped }) => status === 'done' || wrapped > 0,
      () => {},
    );
    const comparison = await compareSlices({ rig, calls, its }, load * capacity);
    const wrappedAtKill = await killInTheMiddle(rig, calls);
    const campaign = await untilDone(calls, rig);
    const tookMs = performance.now() - startedAt;
    await sleep(settleMs);
    const after = await readRecords(rig.fleet.redis);
    options.progress('signing in');
    const signedIn = await signInAll(rig, rows);
    const found = { comparison, wrappedAtKill, tookMs, campaign, before, after };
    return { rows, capacity, ...found, ...signedIn };
  } finally {
    await closeRig(rig);
  }
};
