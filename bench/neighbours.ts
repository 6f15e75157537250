/** How much of the machine other processes take, in which the bench has no part. Linux's /proc. */
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { spentMs, usedMs } from './cpu.js';
import type { Options } from './report.js';
import type { Watch } from './slices.js';

/** All cores together since boot: user, nice, system, interrupts, and what the host kept (steal). */
const busyMs = (): number => {
  const line = readFileSync('/proc/stat', 'utf8').split('\n', 1)[0] ?? '';
  const [, user, nice, system, , , irq, softirq, steal] = line.split(/\s+/).map(Number);
  const ticks = [user, nice, system, irq, softirq, steal];
  return ticks.reduce<number>((sum, value) => sum + (value ?? 0), 0) * 10;
};

/** `own` is the CPU time of the bench so far. */
const watchBeside = (own: () => number): ReturnType<Watch> => {
  const others = () => busyMs() - own();
  const startedAt = performance.now();
  const before = others();
  return () => {
    const capacityMs = (performance.now() - startedAt) * availableParallelism();
    return Math.max(0, others() - before) / capacityMs;
  };
};

/** `pids` are the processes of the bench besides this one. */
export const createWatch = (pids: readonly number[]): Watch => {
  const own = [process.pid, ...pids];
  return () => watchBeside(() => usedMs(own));
};

/** For a whole bench: to be asked at its end, when all that it started has ended. */
export const watchWhole: Watch = () => watchBeside(spentMs);

/** What `compare` needs besides the two: how many pairs, who else took the cores, and where to say so. */
export const besideNeighbours = (
  pids: readonly number[],
  { pairs, progress }: Pick<Options, 'pairs' | 'progress'>,
  title = '',
) => ({
  pairs,
  watch: createWatch(pids),
  onPair: (kept: number) => progress(`${title && `${title}: `}pair ${kept} of ${pairs}`),
});
