/**
 * Virtual time: a queue of events and a clock that jumps from one to the next. What an event settles
 * by promise runs before the clock moves on, so code written for real time runs here unchanged, only
 * without waiting. Same events, same order, same result: ties are settled by who came first.
 */
type Event = { at: number; order: number; run: (() => void) | undefined };

export type Driver = ReturnType<typeof createDriver>;
type Cancel = () => void;

const isBefore = (a: Event, b: Event): boolean =>
  a.at < b.at || (a.at === b.at && a.order < b.order);

/** A binary heap, earliest event first. */
const createQueue = () => {
  const heap: Event[] = [];

  const push = (event: Event) => {
    let at = heap.length;
    while (at > 0) {
      const parent = heap[(at - 1) >> 1];
      if (parent === undefined || !isBefore(event, parent)) break;
      heap[at] = parent;
      at = (at - 1) >> 1;
    }
    heap[at] = event;
  };

  /** Where `event` belongs when it starts at the top. */
  const sink = (event: Event) => {
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      const [left, right] = [heap[child], heap[child + 1]];
      if (left === undefined) break;
      const smaller = right !== undefined && isBefore(right, left) ? right : left;
      if (smaller === right) child++;
      if (!isBefore(smaller, event)) break;
      heap[at] = smaller;
      at = child;
    }
    heap[at] = event;
  };

  const pop = (): Event | undefined => {
    const top = heap[0];
    const last = heap.pop();
    if (last !== undefined && heap.length > 0) sink(last);
    return top;
  };

  return { push, pop, top: () => heap[0] };
};

/** queueMicrotask does the same, and makes an async resource of each. */
const microtask = Promise.resolve();

export const createDriver = () => {
  const queue = createQueue();
  let clock = 0;
  let order = 0;

  const after = (ms: number, run: () => void): Cancel => {
    const event: Event = { at: clock + Math.max(0, ms), order: order++, run };
    queue.push(event);
    return () => {
      event.run = undefined;
    };
  };

  /** Every `ms` until cancelled, the first time after `firstMs`. */
  const every = (ms: number, run: () => void, firstMs = ms): Cancel => {
    let cancel = after(firstMs, tick);
    function tick() {
      cancel = after(ms, tick);
      run();
    }
    return () => cancel();
  };

  /** The next event up to `untilMs` that was not cancelled. */
  const next = (untilMs: number): (() => void) | undefined => {
    for (let top = queue.top(); top !== undefined && top.at <= untilMs; top = queue.top()) {
      queue.pop();
      clock = top.at;
      if (top.run !== undefined) return top.run;
    }
    return undefined;
  };

  /** Lets everything happen that is due up to `untilMs`. */
  const run = (untilMs: number): Promise<void> =>
    new Promise((resolve, reject) => {
      const step = () => {
        const event = next(untilMs);
        if (event === undefined) {
          clock = Math.max(clock, untilMs);
          resolve();
          return;
        }
        try {
          event();
        } catch (error) {
          reject(error);
          return;
        }
        // A tick asked for by a microtask comes after all microtasks, those they add included.
        void microtask.then(settle);
      };
      const settle = () => process.nextTick(step);
      settle();
    });

  return { now: () => clock, after, every, run };
};
