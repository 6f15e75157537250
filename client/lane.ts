/**
 * Through here go all calls of one kind: a bounded number at a time, a bounded line before them, and a
 * pause for everybody when the server asks one caller to wait. Each refusal by a full server takes one place
 * away, half of them at most in one pause, and answers give them back slowly, so that a program with many callers
 * settles at what the server takes at once instead of going from burst to pause and back. A server that lost its
 * store takes none away: it takes as much as before once it is well. Only 503 pauses the others: 429 is about one
 * account or address, and one mistyped password must not stop everybody else.
 */
import { type Deadline, orAborted, type Sleep, usefulMs } from './deadline.js';
import { FloodgateError } from './errors.js';
import type { Backoff } from './retry.js';

/** Places per answer, divided by their number: fifty rounds of answers for one more. */
const growth = 0.02;

export type Lane = ReturnType<typeof createLane>;
/** How long one may wait here. */
type Patience = Pick<Deadline, 'signal' | 'leftMs'>;

export const createLane = ({
  maxConcurrent,
  maxQueued,
  stretch,
  now,
  sleep,
}: {
  maxConcurrent: number;
  maxQueued: number;
  /** When those come back who sat out their n-th pause in a row. */
  stretch: Backoff;
  now: () => number;
  sleep: Sleep;
}) => {
  const line: (() => void)[] = [];
  let running = 0;
  let limit = maxConcurrent;
  /** Below which this pause takes no more places away. */
  let leastLimit = 1;
  let pausedUntil = 0;
  /** Pauses in a row: each doubles the stretch over which those who waited come back. */
  let refusals = 0;

  /** Whoever is called has a slot already. */
  const leave = () => {
    running--;
    while (line.length > 0 && running < Math.floor(limit)) {
      running++;
      line.shift()?.();
    }
  };

  /** Nobody stands in line, or sends, for an answer that cannot be in time. */
  const checkPause = (deadline: Patience) => {
    const retryAfterMs = pausedUntil - now();
    if (retryAfterMs > 0 && retryAfterMs + usefulMs > deadline.leftMs())
      throw new FloodgateError('asked_to_wait', { retryAfterMs });
  };

  const enter = async ({ signal }: Patience) => {
    if (running < Math.floor(limit)) {
      running++;
      return;
    }
    if (line.length >= maxQueued) throw new FloodgateError('client_overloaded');
    let callMe = () => {};
    const turn = new Promise<void>((resolve) => {
      callMe = resolve;
      line.push(resolve);
    });
    try {
      await orAborted(turn, signal);
    } catch (error) {
      const at = line.indexOf(callMe);
      if (at === -1)
        leave(); // called in the same moment: the slot is ours to pass on
      else line.splice(at, 1);
      throw error;
    }
  };

  const sitOutPause = async (deadline: Patience) => {
    for (;;) {
      checkPause(deadline);
      const leftMs = pausedUntil - now();
      if (leftMs <= 0) return;
      // With jitter, so that those who waited do not come back as one, and with time left for the answer.
      const latestMs = Math.max(leftMs, deadline.leftMs() - usefulMs);
      await sleep(Math.min(stretch(refusals, leftMs), latestMs), deadline.signal);
    }
  };

  return {
    /**
     * Runs `work` when it is its turn. Throws client_overloaded when the line is full, asked_to_wait
     * when the pause outlasts the deadline, and the deadline's reason; `work` has not run then.
     */
    run: async <T>(deadline: Patience, work: () => Promise<T>): Promise<T> => {
      checkPause(deadline);
      await enter(deadline);
      try {
        await sitOutPause(deadline);
        return await work();
      } finally {
        leave();
      }
    },
    /** The server wants everybody to wait; `isFull`: for others' sake, of whom we may be many. */
    pause: (retryAfterMs: number, { isFull }: { isFull: boolean }) => {
      // Those refused together count as one.
      if (now() >= pausedUntil) {
        refusals++;
        leastLimit = Math.max(1, limit / 2);
      }
      if (isFull) limit = Math.max(leastLimit, limit - 1);
      pausedUntil = Math.max(pausedUntil, now() + retryAfterMs);
    },
    /** The server takes work. */
    resume: () => {
      limit = Math.min(maxConcurrent, limit + growth / limit);
      refusals = 0;
    },
  };
};
