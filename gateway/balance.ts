/**
 * Even shares of the kept-alive connections. Edges take connections from one queue, and whoever is awake
 * first takes more: with four edges the busiest was measured at twice the mean. An edge that has clearly more
 * than the others answers some of its requests with `Connection: close`; these clients come again, and any
 * edge may take them. So the shares also become even again after an edge was replaced.
 */

/** Not worth a new connection. */
const tolerance = 1.25;
/** Of its limit: an edge that is full resets whoever it takes, also when others have places. */
const nearlyFull = 0.8;
/** Of what is too much, at each word of the primary (500 ms): where the clients come out again is chance. */
const part = 1 / 4;

/** `count`: the connections of this edge; `most`: how many it may have. */
export const createBalance = (count: () => number, most = Number.POSITIVE_INFINITY) => {
  let known = 0;
  let surplus = 0;
  return {
    /** How many an edge has on average, by what each said last; returns how many this one has now. */
    heard: (mean: number): number => {
      const share = mean * (known > nearlyFull * most ? 1 : tolerance);
      surplus = Math.max(0, Math.ceil((known - share - 1) * part));
      known = count();
      return known;
    },
    /** Whether the connection of this answer is one too many. */
    isLast: (): boolean => surplus > 0 && surplus-- > 0,
  };
};
