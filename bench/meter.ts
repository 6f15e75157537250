/** CPU milliseconds per operation, told apart by what the process or thread is for. */
import { cpuTime } from './cpu.js';
import type { Kind } from './fleet.js';

export const partNames = [
  'hash',
  'node_main',
  'edges',
  'redis',
  'primary',
  'admin',
  'load',
] as const;
export type Part = (typeof partNames)[number];
export type Parts = Record<Part, number>;

type Watched = { kind: Kind | 'load'; pid: number };
/** Without arguments: the clock. With an earlier clock and a count: the difference, per operation. */
export type Meter = (before?: Parts, count?: number) => Parts;

const none: Parts = { hash: 0, node_main: 0, edges: 0, redis: 0, primary: 0, admin: 0, load: 0 };

export const createMeter = (processes: readonly Watched[]): Meter => {
  const read = (): Parts => {
    const total = { ...none };
    for (const { kind, pid } of processes) {
      const { hashMs, otherMs } = cpuTime(pid);
      total.hash += hashMs;
      total[kind === 'nodes' ? 'node_main' : kind] += otherMs;
    }
    return total;
  };
  return (before = none, count = 1) => {
    const now = read();
    for (const name of partNames) now[name] = (now[name] - before[name]) / count;
    return now;
  };
};
