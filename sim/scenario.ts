/** What a scenario is: worlds to run over many seeds, and what is read from them. */
import type { Criterion } from '../bench/report.js';
import { type Run, serviceMs, type World } from './world.js';

/**
 * `seedShare`: variants that only draw a curve, or cost much, get a part of the seeds; one whose figure
 * hangs on the tail of short windows gets more than there are.
 */
export type Variant = World & { seedShare?: number };
export type Results = (variant: string) => readonly Run[];
export type Scenario = {
  about: string;
  worlds: Record<string, Variant>;
  judge: (results: Results) => Criterion[];
};

export const evenly = [0.25, 0.25, 0.25, 0.25];

/** Eight nodes of four slots behind four edges. */
export const usual = {
  nodes: 8,
  slots: 4,
  edges: evenly,
  policy: 'ours',
  warmUpMs: 500,
  measureMs: 1500,
} as const satisfies Omit<World, 'load'>;

/** Half of that, where the size does not matter and the time does. */
export const small = { ...usual, nodes: 4 } as const;
export const tiny = { ...small, slots: 2, edges: [0.5, 0.5] } as const;

/** What a node lets wait at most for a login, when busy for long and in a burst (design § 4.8). */
export const loginBudgetMs = { sustained: 0.9 * 100, burst: 0.9 * 300 };
export { serviceMs };
