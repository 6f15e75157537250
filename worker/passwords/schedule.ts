/**
 * When a job that comes last would start, if every job goes to the thread that is free soonest (list
 * scheduling, Graham 1966): what a queue in front of several threads does. Dividing all work by the
 * number of threads gives the same for equal jobs, but lets one dear hash look like a wait on every
 * thread although it holds up one.
 */

/** Lets the value at the top of a binary heap, smallest first, sink to its place. */
const sink = (heap: Float64Array): void => {
  const value = heap[0] ?? 0;
  const { length } = heap;
  let at = 0;
  for (let child = 1; child < length; child = 2 * at + 1) {
    const right = child + 1 < length ? (heap[child + 1] ?? 0) : Number.POSITIVE_INFINITY;
    const smaller = Math.min(heap[child] ?? 0, right);
    if (value <= smaller) break;
    heap[at] = smaller;
    at = smaller === right ? child + 1 : child;
  }
  heap[at] = value;
};

/** Threads by the time until each is free; `add` queues a job, all in ms. */
export const createSchedule = (leftMs: readonly number[]) => {
  const heap = Float64Array.from(leftMs).sort();
  return {
    add: (ms: number): void => {
      heap[0] = (heap[0] ?? 0) + ms;
      sink(heap);
    },
    /** Until the next job would start. */
    startsIn: (): number => heap[0] ?? 0,
  };
};
