/**
 * Whether a node that says it has lost its store is the only one. A store that is gone is gone for all, and no
 * node's fault. But a node that alone cannot reach it answers at once, looks idle and would be sent more and more.
 */

/** Losses so long after each other are of two outages. */
const forgetMs = 10_000;

/** A store that is back is not back for all at once: who served again first proves nothing for so long. */
const calmMs = 1000;

/** `lostSince`: first of the losses in a row. `servedSentAt`: when the last job was sent that it served. */
type Seen = { lostSince: number | undefined; lostAt: number; servedSentAt: number };

/** `nodes`: those that there are. Times in ms of one clock that does not jump. */
export const createStoreWatch = <T extends object>(nodes: () => readonly T[]) => {
  const seen = new WeakMap<T, Seen>();
  const of = (node: T): Seen => {
    const known = seen.get(node);
    if (known !== undefined) return known;
    const never = Number.NEGATIVE_INFINITY;
    const fresh = { lostSince: undefined, lostAt: never, servedSentAt: never };
    seen.set(node, fresh);
    return fresh;
  };

  return {
    /** It gave a verdict, for which it asked the store, on a job that was sent then. */
    served: (node: T, sentAt: number): void => {
      const its = of(node);
      its.lostSince = undefined;
      its.servedSentAt = Math.max(its.servedSentAt, sentAt);
    },
    /** True when another node has served since what was sent to it after this one's loss began. */
    isAlone: (node: T, now: number): boolean => {
      const its = of(node);
      const since = now - its.lostAt > forgetMs ? now : (its.lostSince ?? now);
      its.lostSince = since;
      its.lostAt = now;
      return nodes().some((other) => {
        if (other === node) return false;
        const { servedSentAt, lostAt } = of(other);
        return servedSentAt >= since && servedSentAt >= lostAt + calmMs;
      });
    },
  };
};
