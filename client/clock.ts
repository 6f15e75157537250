/**
 * Milliseconds since 1970 that never run backwards. The wall clock may be set back, and the monotonic
 * one stops while a laptop sleeps; either would make an expired token look good. So time runs as the
 * monotonic clock does, and leaps ahead where the wall clock has.
 */
export const createClock = (
  wall: () => number = Date.now,
  steady: () => number = () => performance.now(),
): (() => number) => {
  let ahead = Number.NEGATIVE_INFINITY;
  return () => {
    const ran = steady();
    ahead = Math.max(ahead, wall() - ran);
    return ran + ahead;
  };
};
