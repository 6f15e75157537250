/** How much memory and CPU time processes take while something goes on, by name; Linux's /proc. */
import { readFileSync } from 'node:fs';
import { usedMs } from '../cpu.js';

/** Memory in MiB; the halves tell whether it grows with the work. */
export type Usage = { peak: number; firstHalf: number; lastHalf: number; cpuMs: number };
export type Watched = Record<string, readonly number[]>;

const everyMs = 250;

/** Resident now, 0 for a process that has ended. */
const residentMiB = (pid: number): number => {
  try {
    const text = readFileSync(`/proc/${pid}/status`, 'utf8');
    return Number(/^VmRSS:\s+(\d+) kB/m.exec(text)?.[1] ?? 0) / 1024;
  } catch {
    return 0;
  }
};

const watchOne = (pids: readonly number[]) => {
  const memory: number[] = [];
  const before = usedMs(pids);
  let cpuMs = 0;
  return {
    take: () => {
      memory.push(pids.reduce((sum, pid) => sum + residentMiB(pid), 0));
      // One that has ended has no time any more.
      cpuMs = Math.max(cpuMs, usedMs(pids) - before);
    },
    usage: (): Usage => {
      const half = Math.floor(memory.length / 2);
      const most = (part: readonly number[]) => Math.max(0, ...part);
      const [firstHalf, lastHalf] = [most(memory.slice(0, half)), most(memory.slice(half))];
      return { peak: Math.max(firstHalf, lastHalf), firstHalf, lastHalf, cpuMs };
    },
  };
};

/** Several processes of one name count as their sum. Call what is returned when it is over. */
export const watchUsage = (watched: Watched): (() => Record<string, Usage>) => {
  const all = Object.entries(watched).map(([name, pids]) => ({ name, ...watchOne(pids) }));
  const timer = setInterval(() => {
    for (const { take } of all) take();
  }, everyMs);
  return () => {
    clearInterval(timer);
    for (const { take } of all) take();
    return Object.fromEntries(all.map(({ name, usage }) => [name, usage()]));
  };
};
