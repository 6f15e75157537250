/**
 * Reasons to refuse every request unread, as not started: the process was stopped or stuck so long
 * that edges may have sent the same attempt elsewhere (design § 6, self-fence), or it is about to end.
 * A tick runs ten times a second. What is read while the last tick is too old, or between a late tick
 * and the next one, was waiting during the stall.
 */
import { AppError } from '../shared/errors.js';

export type Fence = ReturnType<typeof createFence>;

const everyMs = 100;
const maxStallMs = 750;
const refusal = (detail: string) => new AppError('overloaded', { retryAfterMs: everyMs, detail });

export const createFence = (options: {
  now?: () => number;
  /** A stall was noticed, of so many ms. */
  onStall?: (ms: number) => void;
}) => {
  const now = options.now ?? performance.now.bind(performance);
  let tickedAt = now();
  let isStalled = false;
  let isClosed = false;

  const stallMs = (at: number): number => at - tickedAt - everyMs;

  const tick = () => {
    const at = now();
    isStalled = stallMs(at) > maxStallMs;
    if (isStalled) options.onStall?.(stallMs(at));
    tickedAt = at;
  };
  const timer = setInterval(tick, everyMs).unref();

  return {
    tick,
    /** Throws AppError overloaded. */
    check: () => {
      if (isClosed) throw refusal('the node is stopping');
      if (isStalled || stallMs(now()) > maxStallMs) throw refusal('the node was stalled');
    },
    /** From now on everything is refused. */
    close: () => {
      isClosed = true;
    },
    stop: () => clearInterval(timer),
  };
};
