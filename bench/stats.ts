/**
 * The arithmetic behind every figure: percentiles, medians, a bootstrap interval for the median of
 * pair ratios, and the share of an operation that lies inside a measured window.
 */
export type Interval = { median: number; low: number; high: number; count: number };

/** Nearest-rank percentile; NaN of nothing. */
export const percentile = (values: ArrayLike<number>, fraction: number): number => {
  const sorted = Float64Array.from(values).sort();
  const at = Math.ceil(fraction * sorted.length) - 1;
  return sorted[Math.max(0, at)] ?? Number.NaN;
};

export const median = (values: readonly number[]): number => {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  const lower = sorted[middle - 1] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : (lower + upper) / 2;
};

/** Small and seeded, so that the same slices give the same interval (mulberry32). */
const createRandom = (seed: number) => {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t = (t + Math.imul(t ^ (t >>> 7), t | 61)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 0x1_0000_0000;
  };
};

const resamples = 2000;

/** Median with the percentile bootstrap interval (Efron 1979), 95 % unless told. */
export const medianInterval = (values: readonly number[], level = 0.95): Interval => {
  const random = createRandom(20_260_801);
  const draw = () => values[Math.floor(random() * values.length)] ?? Number.NaN;
  const medians = Array.from({ length: resamples }, () => median(values.map(draw)));
  return {
    median: median(values),
    low: percentile(medians, (1 - level) / 2),
    high: percentile(medians, (1 + level) / 2),
    count: values.length,
  };
};

/**
 * An operation from `start` to `end` counts by the part of it inside the window. Whole operations
 * cut off at the edges would cost or win up to one per thread and slice, which at 100 a second is
 * more than what is to be measured.
 */
export const shareInside = (start: number, end: number, from: number, to: number): number => {
  if (start >= from && end <= to) return 1;
  const inside = Math.min(end, to) - Math.max(start, from);
  return inside <= 0 ? 0 : inside / (end - start);
};

/**
 * Operations back to back, given by the first start and every end, inside a window that opens
 * `settleMs` after the first: how many (by share), and how long those that began in it took.
 */
export const countInside = (
  times: readonly number[],
  { settleMs, windowMs }: { settleMs: number; windowMs: number },
): { counted: number; latencies: number[] } => {
  const from = (times[0] ?? 0) + settleMs;
  const to = from + windowMs;
  const latencies: number[] = [];
  let counted = 0;
  for (let i = 1; i < times.length; i++) {
    const [start = 0, end = 0] = [times[i - 1], times[i]];
    counted += shareInside(start, end, from, to);
    if (start >= from && start <= to) latencies.push(end - start);
  }
  return { counted, latencies };
};

/** Times of a Poisson process in milliseconds from 0, up to `untilMs`. */
export const poissonTimes = (perSecond: number, untilMs: number): number[] => {
  const times: number[] = [];
  for (let at = 0; ; ) {
    at += (-Math.log(1 - Math.random()) * 1000) / perSecond;
    if (at >= untilMs) return times;
    times.push(at);
  }
};
