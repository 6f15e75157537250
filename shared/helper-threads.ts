/**
 * The threads that V8 has beside the main one: they compile hot code anew and help collect garbage. What
 * they do can wait, but on a full machine the scheduler gives them as much as the main thread that everybody
 * waits for: compilations of 3 to 27 ms stood behind most refusals that took over 10 ms on a busy core.
 */
import { readdirSync } from 'node:fs';
import { getPriority, setPriority } from 'node:os';

/**
 * Against the main thread's 0 a third of its weight. With 10 compilations wait even longer, but so does the
 * end of a full collection, for which the main thread waits: 63 instead of 16 ms on a full core.
 */
export const niceOfHelpers = 5;
/** Node starts them right after the main thread: one that delays tasks, and four that work. */
const helperCount = 5;

/** Linux only, where each thread has a nice value of its own (setpriority(2)); elsewhere nothing changes. */
export const lowerHelperThreads = (): void => {
  try {
    const others = readdirSync('/proc/self/task')
      .map(Number)
      .filter((tid) => tid !== process.pid)
      .sort((a, b) => a - b);
    for (const tid of others.slice(0, helperCount))
      setPriority(tid, Math.max(getPriority(tid), niceOfHelpers));
  } catch {}
};
