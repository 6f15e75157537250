/**
 * The hash threads as admission sees them: each runs one job and may hold another ahead, so that it
 * goes on at once when the first ends. Which job starts next, where, and when one more would. While the
 * first in the queue waits for memory, others may pass it if that does not make it wait longer: EASY
 * backfilling (Lifka 1995).
 */
import type { Cost } from './recipes/recipe.js';
import { createSchedule } from './schedule.js';

type Job = { readonly cost: Cost; readonly estimateMs: number };
export type Slot<J extends Job> = {
  readonly index: number;
  running: J | undefined;
  ahead: J | undefined;
  startedAt: number;
};

/** What has been let in and is in no thread: jobs, and requests that will want a default hash each. */
type Waiting<J extends Job> = {
  queue: readonly J[];
  reserved: number;
  serviceMs: number;
  isThreadFree: boolean;
};

/** When the memory for a waiting job will be there, and how much will be left beside it. */
type Reservation = { at: number; spareBytes: number };

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

  /** What one job counts for: one that is larger than the limit runs alone. */
  const share = ({ bytes }: Cost): number => Math.min(bytes, memoryBytes);

  const hasMemory = (chosen: Slot<J>, { cost }: Job): boolean => {
    let others = 0;
    for (const slot of slots) if (slot !== chosen) others += bytesOf(slot);
    return others === 0 || others + Math.max(bytesOf(chosen), cost.bytes) <= memoryBytes;
  };

  /** When the memory for this one will be there, if nothing else takes it. */
  const reserve = ({ cost }: { cost: Cost }, at: number): Reservation => {
    let others = 0;
    for (const slot of slots) others += bytesOf(slot);
    let readyAt = at;
    if (others + share(cost) > memoryBytes) {
      const ends = slots.map((slot) => ({ bytes: bytesOf(slot), inMs: leftMs(slot, at) }));
      ends.sort((a, b) => a.inMs - b.inMs);
      for (const { bytes, inMs } of ends) {
        others -= bytes;
        readyAt = at + inMs;
        if (others + share(cost) <= memoryBytes) break;
      }
    }
    return { at: readyAt, spareBytes: Math.max(0, memoryBytes - others - share(cost)) };
  };

  /** It ends before the memory is wanted, or takes none of that, and no thread that will be free by then. */
  const mayPass = (slot: Slot<J>, { cost, estimateMs }: Job, at: number, held: Reservation) =>
    at + leftMs(slot, at) + estimateMs <= held.at ||
    (cost.bytes <= held.spareBytes && slot.running === undefined);

  /** Its memory is there, whichever thread it gets. */
  const fits = ({ cost }: { cost: Cost }): boolean => {
    let others = 0;
    for (const slot of slots) others += bytesOf(slot);
    return others + share(cost) <= memoryBytes;
  };

  /** So many of its kind may run at once, for what memory they take. */
  const together = (cost: Cost): number => Math.max(1, Math.floor(memoryBytes / share(cost)));

  /** How long a default hash would wait for a thread, behind the queue and those whose records are looked up. */
  const threadMs = (at: number, { queue, reserved, serviceMs }: Waiting<J>): number => {
    const schedule = createSchedule(slots.map((slot) => leftMs(slot, at)));
    // Whom it may pass, because their memory is not there, are none that it waits for. What takes no more than
    // a default hash has its memory with any thread, and where as many of a kind as there are threads may run, its
    // next has it as soon as one has ended.
    for (const job of queue) {
      const { bytes } = job.cost;
      if (bytes <= defaultCost.bytes || together(job.cost) >= count || fits(job))
        schedule.add(job.estimateMs);
    }
    for (let i = 0; i < reserved; i++) schedule.add(serviceMs);
    return schedule.startsIn();
  };

  /** And for its memory. */
  const memoryMs = (at: number, { queue }: Waiting<J>): number => {
    const asked = { cost: defaultCost };
    let ms = fits(asked) ? 0 : reserve(asked, at).at - at;
    for (const { cost, estimateMs } of queue) {
      const most = together(cost);
      if (
        cost.key !== defaultCost.key &&
        most < count &&
        most * share(cost) + defaultCost.bytes > memoryBytes
      )
        ms += estimateMs / most;
    }
    return ms;
  };

  return {
    leftMs,

    /**
     * The place in the queue of the job that goes next, and the thread for it; undefined when none can.
     * `isOver`: it is not to start any more, whether or not there is memory.
     */
    next: (queue: readonly J[], at: number, isOver: (job: J, slot: Slot<J>) => boolean) => {
      const slot = pick(at);
      if (slot === undefined) return undefined;
      let held: Reservation | undefined;
      for (const [place, job] of queue.entries()) {
        const isNext = held === undefined || mayPass(slot, job, at, held);
        if (isOver(job, slot) || (isNext && hasMemory(slot, job))) return { place, job, slot };
        held ??= reserve(job, at);
      }
      return undefined;
    },

    /** How long one more default hash would wait; the queue is bounded by this, in threads and in memory. */
    waitMs: (at: number, waiting: Waiting<J>): number =>
      Math.max(waiting.isThreadFree ? 0 : threadMs(at, waiting), memoryMs(at, waiting)),
  };
};
