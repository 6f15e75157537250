/**
 * How long it takes until nothing is felt of a burst, or of a fault, any more. Judged are stretches of a second, one beginning
 * every tenth of it: bad is one whose served took longer (p99) than a quarter above the baseline, or of whose
 * requests more than one in a hundred were not served. Over is it when three seconds follow without a bad one. That
 * none comes any more would be too much to ask: at half the load a stretch has some forty requests, whose p99 is the
 * slowest of them, and on a shared machine one is slow every few seconds without any burst.
 */
import { percentile } from '../stats.js';
import type { Sample } from './generator.js';
import { isServed, latencies, within } from './samples.js';

/** `baseline`: the p99 of the served before the burst. `fromMs`: the end of it; `untilMs`: of the arrivals. */
type Given = { fromMs: number; untilMs: number; baselineMs: number };
type Tolerance = Pick<typeof tolerance, 'latency' | 'steadyMs'>;

export const tolerance = {
  ...{ latency: 1.25, served: 0.99, lengthMs: 1000, stepMs: 100 },
  ...{ steadyMs: 3000, load: 1.2 },
};

type Stretch = { fromMs: number; samples: Sample[] };

const stretches = (
  samples: readonly Sample[],
  { fromMs, untilMs }: Pick<Given, 'fromMs' | 'untilMs'>,
): Stretch[] => {
  const { lengthMs, stepMs } = tolerance;
  const count = Math.max(0, Math.floor((untilMs - lengthMs - fromMs) / stepMs) + 1);
  return Array.from({ length: count }, (_, i) => {
    const from = fromMs + i * stepMs;
    return { fromMs: from, samples: within(samples, { fromMs: from, toMs: from + lengthMs }) };
  });
};

const isBad = (samples: readonly Sample[], longestMs: number): boolean => {
  if (samples.length === 0) return false;
  const served = samples.filter(isServed);
  return (
    served.length < tolerance.served * samples.length ||
    percentile(latencies(served), 0.99) > longestMs
  );
};

/** When the three seconds begin (or what else is steady enough); never is infinite. */
export const recoveredAt = (
  samples: readonly Sample[],
  given: Given,
  { latency, steadyMs }: Tolerance = tolerance,
): number => {
  const { lengthMs, stepMs } = tolerance;
  const all = stretches(samples, given);
  const bad = all.map((stretch) => isBad(stretch.samples, latency * given.baselineMs));
  const needed = (steadyMs - lengthMs) / stepMs + 1;
  const steady = all.find(
    (_, i) => i + needed <= all.length && !bad.slice(i, i + needed).includes(true),
  );
  return steady?.fromMs ?? Number.POSITIVE_INFINITY;
};

/**
 * When arrivals, those who come back included, are first as many as before, or a little more: at a greater load
 * nobody waits as little as at the smaller one.
 */
export const loadBackAt = (
  samples: readonly Sample[],
  given: Pick<Given, 'fromMs' | 'untilMs'> & { perSecond: number },
): number => {
  const most = (tolerance.load * given.perSecond * tolerance.lengthMs) / 1000;
  const usual = stretches(samples, given).find((stretch) => stretch.samples.length <= most);
  return usual?.fromMs ?? Number.POSITIVE_INFINITY;
};

/**
 * From the end of the burst until the load is as before, and from then on until nothing is felt any more. Where the
 * load stays, as when everybody is refused and comes back, both are infinite.
 */
export const recoveryAfter = (
  samples: readonly Sample[],
  given: Given & { perSecond: number },
): { loadBackMs: number; recoveryMs: number } => {
  const usualAt = loadBackAt(samples, given);
  const loadBackMs = usualAt - given.fromMs;
  if (usualAt === Number.POSITIVE_INFINITY) return { loadBackMs, recoveryMs: usualAt };
  return { loadBackMs, recoveryMs: Math.max(0, recoveredAt(samples, given) - usualAt) };
};
