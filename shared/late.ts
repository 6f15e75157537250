/**
 * Waiting for an answer from outside, for so long at most. If this process stood still meanwhile (the
 * machine was busy, V8 collected garbage), answers may be there unread, and Node calls timers before it
 * reads: a plain timer would count them as missing. What is set as immediate comes after the reading.
 * And whoever shares our machine may have stood still with us: for as long, it could not answer.
 */

/** What a timer is late by anyway, in a busy process. */
const usualMs = 50;

/**
 * Calls `onLate` once after `ms` milliseconds, unless the returned function is called before. A timer that
 * rings late says for how long nothing ran here; so much is added, at most `ms`.
 */
export const whenLate = (ms: number, onLate: () => void): (() => void) => {
  const dueAt = performance.now() + ms;
  let immediate: NodeJS.Immediate | undefined;
  const giveUp = () => {
    immediate = setImmediate(onLate);
  };
  let timer = setTimeout(() => {
    const lateMs = performance.now() - dueAt;
    if (lateMs > usualMs) timer = setTimeout(giveUp, Math.min(lateMs, ms));
    else giveUp();
  }, ms);
  return () => {
    clearTimeout(timer);
    clearImmediate(immediate);
  };
};
