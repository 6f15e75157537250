/**
 * The hash threads as admission sees them: each runs one job and may hold another ahead, so that it
 * goes on at once when the first ends. Which of them takes the next job, and whether the memory for
 * it is there.
 */
import type { Cost } from './recipes/recipe.js';

type Job = { readonly cost: Cost; readonly estimateMs: number };
export type Slot<J extends Job> = {
  readonly index: number;
  running: J | undefined;
  ahead: J | undefined;
  startedAt: number;
};

/** One step in the queue must not wait behind a hash dearer than this many default ones. */
const maxRelativeAhead = 4;

const bytesOf = ({ running, ahead }: Slot<Job>): number =>
  Math.max(running?.cost.bytes ?? 0, ahead?.cost.bytes ?? 0);

export const createSlots = <J extends Job>(options: {
  count: number;
  /** All hashes running at once may use this much; one alone is never held back. */
  memoryBytes: number;
  defaultCost: Cost;
}) => {
  const { count, memoryBytes, defaultCost } = options;
  const slots: Slot<J>[] = Array.from({ length: count }, (_, index) => ({
    index,
    running: undefined,
    ahead: undefined,
    startedAt: 0,
  }));

  /** Until all that it holds is done, by the estimates. */
  const leftMs = ({ running, ahead, startedAt }: Slot<J>, at: number): number =>
    running === undefined
      ? 0
      : Math.max(0, startedAt + running.estimateMs - at) + (ahead?.estimateMs ?? 0);

  /** A free thread, else one without a job ahead that ends soonest; undefined when all are full. */
  const pick = (at: number): Slot<J> | undefined => {
    let best: Slot<J> | undefined;
    for (const slot of slots) {
      if (slot.running === undefined) return slot;
      if (slot.ahead !== undefined) continue;
      if (slot.running.cost.relative > maxRelativeAhead * defaultCost.relative) continue;
      if (best === undefined || leftMs(slot, at) < leftMs(best, at)) best = slot;
    }
    return best;
  };

  const hasMemory = (chosen: Slot<J>, { cost }: Job): boolean => {
    let others = 0;
    for (const slot of slots) if (slot !== chosen) others += bytesOf(slot);
    return others === 0 || others + Math.max(bytesOf(chosen), cost.bytes) <= memoryBytes;
  };

  return {
    leftMs,
    pick,
    hasMemory,
    /** Of each thread, as `leftMs`. */
    allLeftMs: (at: number): number[] => slots.map((slot) => leftMs(slot, at)),
  };
};
