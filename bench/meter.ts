/** CPU milliseconds, told apart by what the process or thread is for. */
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
/** The time until now, or since an earlier reading. */
type Meter = (before?: Parts) => Parts;

const none: Parts = { hash: 0, node_main: 0, edges: 0, redis: 0, primary: 0, admin: 0, load: 0 };

export const mapParts = (value: (part: Part) => number): Parts => {
  const parts = { ...none };
  for (const name of partNames) parts[name] = value(name);
  return parts;
};

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
  return (before = none) => {
    const now = read();
    return mapParts((name) => now[name] - before[name]);
  };
};
