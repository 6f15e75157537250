/**
 * Waiting for an answer from outside, for so long at most. If this process stood still meanwhile (the
 * machine was busy, V8 collected garbage), answers may be there unread, and Node calls timers before it
 * reads: a plain timer would count them as missing. What is set as immediate comes after the reading.
 */

/** Calls `onLate` once after `ms` milliseconds, unless the returned function is called before. */
export const whenLate = (ms: number, onLate: () => void): (() => void) => {
  let immediate: NodeJS.Immediate | undefined;
  const timer = setTimeout(() => {
    immediate = setImmediate(onLate);
  }, ms);
  return () => {
    clearTimeout(timer);
    clearImmediate(immediate);
  };
};
