/**
 * Memory and handles of processes over time, from Linux's /proc. Judged are only those that lived
 * through the whole span looked at: what was replaced meanwhile says nothing about leaks.
 */
import { readdirSync, readFileSync } from 'node:fs';
import type { Process } from '../fleet.js';
import { median } from '../stats.js';

export type Reading = { at: number; kind: string; pid: number; rssMiB: number; handles: number };
/** Medians of the first and of the last quarter. */
export type Trend = {
  kind: string;
  pid: number;
  rssMiB: { first: number; last: number };
  handles: { first: number; last: number };
};

const readProcess = (at: number, { kind, pid }: Process): Reading[] => {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    const kib = Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0);
    return [{ at, kind, pid, rssMiB: kib / 1024, handles: readdirSync(`/proc/${pid}/fd`).length }];
  } catch {
    // Ended meanwhile.
    return [];
  }
};

/** `at`: seconds since the start. */
export const takeReadings = (at: number, processes: readonly Process[]): Reading[] =>
  processes.flatMap((process) => readProcess(at, process));

const trendOf = (readings: readonly Reading[]): Trend[] => {
  const [one] = readings;
  if (one === undefined) return [];
  const quarter = Math.ceil(readings.length / 4);
  const parts = { first: readings.slice(0, quarter), last: readings.slice(-quarter) };
  const of = (pick: (reading: Reading) => number) => ({
    first: median(parts.first.map(pick)),
    last: median(parts.last.map(pick)),
  });
  return [
    { kind: one.kind, pid: one.pid, rssMiB: of((r) => r.rssMiB), handles: of((r) => r.handles) },
  ];
};

/** Of each process that was there from `from` to the end. */
export const trends = (readings: readonly Reading[], from: number): Trend[] => {
  const span = readings.filter(({ at }) => at >= from);
  const times = [...new Set(span.map(({ at }) => at))];
  const pids = [...new Set(span.map(({ pid }) => pid))];
  return pids.flatMap((pid) => {
    const own = span.filter((reading) => reading.pid === pid);
    return own.length === times.length ? trendOf(own) : [];
  });
};

/** The same of one process over all of its life. */
export const lifeOf = (readings: readonly Reading[], pid: number): Trend | undefined =>
  trendOf(readings.filter((reading) => reading.pid === pid))[0];
