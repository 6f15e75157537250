/** A burst over a steady load, with clients that come back, and the same time without it. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Sample } from './generator.js';
import { attemptsPerRequest, growth, readMetrics } from './metrics.js';
import { recoveredAt, recoveryAfter } from './recovery.js';
import type { Rig } from './rig.js';
import { isServed, summarise, within } from './samples.js';

/** Multiples of the capacity, and how long before, in and after the burst. */
type Plan = {
  base: number;
  factor: number;
  beforeMs: number;
  durationMs: number;
  afterMs: number;
};
type Given = { plan: Plan; pauseMs: number; capacity: number };
export type Burst = {
  samples: Sample[];
  capacity: number;
  baselineP99Ms: number;
  /** After the last arrival of the burst, until the load is as before: who was told to come back does so. */
  loadBackMs: number;
  /** From then on, until all is as it was before (see recovery). */
  recoveryMs: number;
  /** The same as `recoveryMs` where there was no burst: what the machine does by itself. */
  controlMs: number;
  amplification: number;
  /** Clients of the burst that got in at last. */
  servedShare: number;
};

/** Of a client that is refused. */
const retries = 2;

/** As with a burst, but without: how long it seems to last until all is as it was before. */
const runControl = async (rig: Rig, { plan, capacity }: Given): Promise<number> => {
  const { base, beforeMs, afterMs } = plan;
  const untilMs = beforeMs + afterMs;
  const phases = [{ perSecond: base * capacity, durationMs: untilMs }];
  const { samples } = await rig.load.run({ phases, retries });
  const baselineMs = summarise(samples, { fromMs: 0, toMs: beforeMs }).p99Ms;
  return recoveredAt(samples, { fromMs: beforeMs, untilMs, baselineMs }) - beforeMs;
};

export const measureBurst = async (rig: Rig, given: Given): Promise<Burst> => {
  const { plan, pauseMs, capacity } = given;
  const { base, factor, beforeMs, durationMs, afterMs } = plan;
  const perSecond = base * capacity;
  const controlMs = await runControl(rig, given);
  await sleep(pauseMs);
  const phases = [
    { perSecond, durationMs: beforeMs },
    { perSecond: factor * capacity, durationMs },
    { perSecond, durationMs: afterMs },
  ];
  const before = await readMetrics(rig.fleet);
  const { samples } = await rig.load.run({ phases, retries });
  const grown = growth(before, await readMetrics(rig.fleet));
  const endMs = beforeMs + durationMs;
  const baselineP99Ms = summarise(samples, { fromMs: 0, toMs: beforeMs }).p99Ms;
  const during = within(samples, { fromMs: beforeMs, toMs: endMs });
  const clients = during.filter(({ tries }) => tries === 0).length;
  const window = { fromMs: endMs, untilMs: endMs + afterMs };
  return {
    samples,
    capacity,
    baselineP99Ms,
    ...recoveryAfter(samples, { ...window, baselineMs: baselineP99Ms, perSecond }),
    controlMs,
    amplification: attemptsPerRequest(grown),
    servedShare: during.filter(isServed).length / clients,
  };
};
