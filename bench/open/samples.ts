/** What a run of clients amounts to: goodput, latencies of the served and the refused, codes. */
import { percentile } from '../stats.js';
import type { Sample } from './generator.js';

/** Milliseconds since the start of the run; by intended time. */
export type Window = { fromMs: number; toMs: number };
export type Summary = {
  /** Tries, and those served with 200, per second. */
  offered: number;
  goodput: number;
  sent: number;
  ok: number;
  /** Of those served. */
  p50Ms: number;
  p99Ms: number;
  maxMs: number;
  /** 429 and 503. */
  refused: number;
  refusedP50Ms: number;
  refusedP99Ms: number;
  /** Everything but 200, by error code or by how the connection was lost. */
  codes: Record<string, number>;
};

export const isServed = ({ status }: Sample): boolean => status === 200;
export const isRefused = ({ status }: Sample): boolean => status === 503 || status === 429;

export const within = (samples: readonly Sample[], { fromMs, toMs }: Window): Sample[] =>
  samples.filter(({ at }) => at >= fromMs && at < toMs);

export const latencies = (samples: readonly Sample[]): number[] => samples.map(({ ms }) => ms);

export const countCodes = (samples: readonly Sample[]): Record<string, number> => {
  const codes: Record<string, number> = {};
  for (const { code } of samples) if (code !== '') codes[code] = (codes[code] ?? 0) + 1;
  return codes;
};

export const showCodes = (codes: Record<string, number>): string =>
  Object.entries(codes)
    .map(([code, count]) => `${count} ${code}`)
    .join(', ') || '–';

export const summarise = (samples: readonly Sample[], window: Window): Summary => {
  const inside = within(samples, window);
  const served = inside.filter(isServed);
  const refused = inside.filter(isRefused);
  const seconds = (window.toMs - window.fromMs) / 1000;
  const times = latencies(served);
  return {
    offered: inside.length / seconds,
    goodput: served.length / seconds,
    sent: inside.length,
    ok: served.length,
    p50Ms: percentile(times, 0.5),
    p99Ms: percentile(times, 0.99),
    maxMs: percentile(times, 1),
    refused: refused.length,
    refusedP50Ms: percentile(latencies(refused), 0.5),
    refusedP99Ms: percentile(latencies(refused), 0.99),
    codes: countCodes(inside),
  };
};

/**
 * One sample for each person, whatever they sent: from the first try to the first answer that serves, or
 * as the first try ended when none does.
 */
export const byPerson = (samples: readonly Sample[]): Sample[] => {
  const people = new Map<number, Sample[]>();
  for (const sample of samples) {
    const tries = people.get(sample.person);
    if (tries === undefined) people.set(sample.person, [sample]);
    else tries.push(sample);
  }
  return [...people.values()].map((tries) => {
    const first = tries.reduce((a, b) => (b.at < a.at ? b : a));
    const served = tries.filter(isServed);
    if (served.length === 0) return first;
    const end = Math.min(...served.map(({ at, ms }) => at + ms));
    return { ...first, ms: end - first.at, status: 200, code: '' };
  });
};

/** The same for each stretch of `everyMs`, up to the last arrival. */
export const series = (samples: readonly Sample[], everyMs: number): (Window & Summary)[] => {
  const end = samples.reduce((last, { at }) => Math.max(last, at), 0);
  return Array.from({ length: Math.ceil(end / everyMs) }, (_, i) => {
    const window = { fromMs: i * everyMs, toMs: (i + 1) * everyMs };
    return { ...window, ...summarise(samples, window) };
  });
};
