/** What is read from runs: each takes all seeds of one variant together, so that tails have samples. */
import { percentile } from '../bench/stats.js';
import type { WorkClass } from '../shared/protocol.js';
import type { Login, Run } from './world.js';

type Runs = readonly Run[];
type Filter = (login: Login) => boolean;

const any: Filter = () => true;
const isOk: Filter = ({ outcome }) => outcome === 'ok';
/** With the right to come back: there was no room, or the account had its share. Also who lost a node and found no other. */
const isRefused: Filter = ({ outcome }) =>
  outcome === 'overloaded' || outcome === 'too_many_attempts';

const all = (runs: Runs, filter: Filter): Login[] =>
  runs.flatMap(({ logins }) => logins.filter(filter));

/** By time of arrival, all runs together. */
const inWindows = (runs: Runs, windowMs: number): Login[][] => {
  const windows: Login[][] = [];
  for (const { logins } of runs)
    for (const login of logins) {
      const at = Math.floor(login.atMs / windowMs);
      while (windows.length <= at) windows.push([]);
      windows[at]?.push(login);
    }
  return windows;
};

const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);
const mean = (values: readonly number[]): number => sum(values) / values.length;

/** Of the logins that succeeded. */
export const latencyMs = (runs: Runs, fraction: number, filter: Filter = any): number =>
  percentile(
    all(runs, (login) => isOk(login) && filter(login)).map(({ tookMs }) => tookMs),
    fraction,
  );

export const slowestMs = (runs: Runs): number =>
  all(runs, any).reduce((most, { tookMs }) => Math.max(most, tookMs), 0);

export const share = (runs: Runs, filter: Filter): number =>
  all(runs, filter).length / all(runs, any).length;

export const refusedShare = (runs: Runs): number => share(runs, isRefused);
/** Neither answered nor refused with the right to come back. */
export const failures = (run: Run): number =>
  run.logins.filter((login) => !isOk(login) && !isRefused(login)).length;
export const notOk = (run: Run, filter: Filter = any): number =>
  run.logins.filter((login) => !isOk(login) && filter(login)).length;
export const most = (runs: Runs, count: (run: Run) => number): number =>
  Math.max(...runs.map(count));
export const average = (runs: Runs, count: (run: Run) => number): number => mean(runs.map(count));

/** Logins answered, as a share of what the nodes can do. */
export const goodput = (runs: Runs, measureMs: number): number =>
  average(runs, (run) => run.logins.filter(isOk).length / ((run.capacity * measureMs) / 1000));

/**
 * Of what was let in: answered with `timeout`, or hashed when nobody waited any more. One login may be both.
 * (An answer after the deadline cannot be: the edge gives up at it.)
 */
export const lateShare = (runs: Runs): number => {
  const late = all(runs, ({ outcome }) => outcome === 'timeout').length;
  const unasked = sum(runs.map(({ counts }) => counts.unasked));
  return (late + unasked) / (all(runs, isOk).length + late);
};

/** Of the logins that `filter` takes. */
export const servedShare = (runs: Runs, filter: Filter): number =>
  all(runs, (login) => isOk(login) && filter(login)).length / all(runs, filter).length;

const orderWindowMs = 1000;
/** Seconds, by time of arrival, in which one of class `refused` found no room and one of `served` did. */
export const disorderedShare = (
  runs: Runs,
  wanted: { refused: WorkClass; served: WorkClass },
): number => {
  const windows = runs.flatMap((run) => inWindows([run], orderWindowMs));
  const isDisordered = (logins: readonly Login[]) =>
    logins.some(({ cls, outcome }) => cls === wanted.refused && outcome === 'overloaded') &&
    logins.some((login) => login.cls === wanted.served && isOk(login));
  return windows.filter(isDisordered).length / windows.length;
};

/** Share of what was sent to a node that went to the account's first choice. */
export const affinity = (runs: Runs): number =>
  sum(runs.map(({ counts }) => counts.atHome)) / sum(runs.map(({ counts }) => counts.sent));

/** The same of nodes in the edge's own zone. */
export const nearShare = (runs: Runs): number =>
  sum(runs.map(({ counts }) => counts.near)) / sum(runs.map(({ counts }) => counts.sent));

/** The most that was in flight at one node. */
export const deepest = (runs: Runs): number =>
  Math.max(...runs.flatMap(({ samples }) => samples.map((sample) => sample.deepest)));

/** Of everything offered: what nodes, not edges, refused. */
export const refusedByNodes = (runs: Runs): number =>
  sum(runs.map(({ counts }) => counts.refused)) / all(runs, any).length;

/** Hashes begun per login that was answered. */
export const amplification = (runs: Runs): number =>
  sum(runs.map(({ counts }) => counts.started)) / all(runs, isOk).length;

/** Attempts per login that was sent to a node, refused ones included. */
export const attempts = (runs: Runs): number => {
  const sent = sum(runs.map(({ counts }) => counts.sent));
  return sent / (sent - sum(runs.map(({ counts }) => counts.retried)));
};

/** The fullest node against the mean, at any moment, on average. */
export const peakToMean = (runs: Runs): number =>
  mean(
    runs.flatMap(({ samples }) =>
      samples
        .filter(({ inflight }) => sum(inflight) > 0)
        .map(({ inflight }) => Math.max(...inflight) / mean(inflight)),
    ),
  );

/** The busiest node against the idlest, over the whole measured time, on average. */
export const busyRatio = (runs: Runs): number =>
  average(runs, ({ counts }) => Math.max(...counts.busyMs) / Math.min(...counts.busyMs));

/** By time of arrival, in windows: the 99th percentile and how many were not answered. */
const timeline = (runs: Runs, untilMs: number, windowMs: number) => {
  const windows = inWindows(runs, windowMs).slice(0, Math.floor(untilMs / windowMs));
  return windows.map((logins, i) => {
    const answered = logins.filter(isOk);
    return {
      atMs: i * windowMs,
      p99Ms: percentile(
        answered.map(({ tookMs }) => tookMs),
        0.99,
      ),
      missing: (logins.length - answered.length) / logins.length,
    };
  });
};

type Recovery = {
  fromMs: number;
  untilMs: number;
  limitMs: number;
  windowMs?: number;
  /** Good windows for so long are enough: in a long film one is bad every few seconds without any cause. */
  steadyMs?: number;
};

/**
 * How long after `fromMs` the last window ended that was slower than `limitMs` or missed 1 %; with `steadyMs` when
 * so long a time without one begins, which may be never.
 */
export const recoveryMs = (
  runs: Runs,
  { fromMs, untilMs, limitMs, windowMs = 250, steadyMs }: Recovery,
): number => {
  const windows = timeline(runs, untilMs, windowMs)
    .filter(({ atMs }) => atMs >= fromMs)
    .map(({ atMs, p99Ms, missing }) => ({
      afterMs: atMs - fromMs,
      isBad: p99Ms > limitMs || missing > 0.01,
    }));
  const needed = (steadyMs ?? untilMs) / windowMs;
  const found = windows.find((_, i) => {
    const next = windows.slice(i, i + needed);
    return (next.length === needed || steadyMs === undefined) && !next.some(({ isBad }) => isBad);
  });
  const never = steadyMs === undefined ? untilMs - fromMs : Number.POSITIVE_INFINITY;
  return found?.afterMs ?? never;
};
