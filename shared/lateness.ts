/**
 * How late timers are. An event loop that is busy with one thing serves nobody meanwhile, and a
 * timer that comes too late says for how long. A tick runs ten times a second.
 *
 * The longest lateness is kept for a half-window and shown for one more: whoever looks at least
 * every 15 s sees each stall, and nobody takes it away from another one by looking.
 */
const everyMs = 100;
const halfMs = 15_000;

/** `now` in ms. The timer keeps no process alive. */
export const createLateness = ({ now = () => performance.now() }: { now?: () => number } = {}) => {
  let tickedAt = now();
  let since = tickedAt;
  let current = 0;
  let previous = 0;

  const lateMs = (at: number): number => Math.max(0, at - tickedAt - everyMs);

  const tick = () => {
    const at = now();
    if (at - since >= halfMs) {
      previous = current;
      current = 0;
      since = at;
    }
    current = Math.max(current, lateMs(at));
    tickedAt = at;
  };
  setInterval(tick, everyMs).unref();

  return {
    tick,
    /** Of the last 15 to 30 s, the tick that is due already included. */
    longestMs: (): number => Math.max(previous, current, lateMs(now())),
  };
};
