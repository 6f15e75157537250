/**
 * Who is over a limit, as far as this edge has heard: asking again costs no place at a node and no round trip to the
 * store. Known is only a wait longer than a lease lasts: it comes from failures and counters, which nobody gives
 * back (but for a count that is undone within a round trip). The store is asked again every few seconds all
 * the same: it may have lost what it counted.
 */
import { createCache } from '../cache.js';
import { leaseMs } from './limit-scripts.js';

const most = 10_000;
const askAgainMs = 5000;

export const createKnownLimits = ({ now }: { now: () => number }) => {
  const cache = createCache<{ until: number; askAgainAt: number }>(most);
  return {
    /** Milliseconds for which `who` has to wait; 0 when the store is to be asked. */
    waitMs: (who: string): number => {
      const over = cache.get(who);
      if (over === undefined) return 0;
      const at = now();
      return at < over.askAgainAt ? over.until - at : 0;
    },
    /** What the store said when it was asked at `askedAt`. */
    heard: (who: string, waitMs: number, askedAt: number): void => {
      if (waitMs <= leaseMs) return;
      cache.set(who, { until: askedAt + waitMs, askAgainAt: askedAt + askAgainMs });
    },
  };
};
