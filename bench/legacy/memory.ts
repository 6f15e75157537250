/** How much memory processes hold while something goes on, by name; Linux's /proc. */
import { readFileSync } from 'node:fs';

/** MiB; the halves tell whether it grows with the work. */
export type Memory = { peak: number; firstHalf: number; lastHalf: number };
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

const describe = (samples: readonly number[]): Memory => {
  const half = Math.floor(samples.length / 2);
  const most = (part: readonly number[]) => Math.max(0, ...part);
  const [firstHalf, lastHalf] = [most(samples.slice(0, half)), most(samples.slice(half))];
  return { peak: Math.max(firstHalf, lastHalf), firstHalf, lastHalf };
};

/** Several processes of one name count as their sum. Call what is returned when it is over. */
export const watchMemory = (watched: Watched): (() => Record<string, Memory>) => {
  const names = Object.keys(watched);
  const samples = new Map(names.map((name): [string, number[]] => [name, []]));
  const take = () => {
    for (const [name, list] of samples)
      list.push((watched[name] ?? []).reduce((sum, pid) => sum + residentMiB(pid), 0));
  };
  const timer = setInterval(take, everyMs);
  return () => {
    clearInterval(timer);
    take();
    return Object.fromEntries([...samples].map(([name, list]) => [name, describe(list)]));
  };
};
