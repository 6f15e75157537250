/**
 * A histogram in plain numbers: prom-client's own `observe` costs more than the rest of an answer when caches
 * are cold, so it only gets the sums when somebody asks for them.
 */
import type { Sample } from './metrics.js';

export type Tally = ReturnType<typeof createTally>;

/** `bounds`: upper ones, ascending, in the unit of what is added. */
export const createTally = (bounds: readonly number[]) => {
  /** `counts[i]` holds what fell between two bounds; Prometheus wants them cumulative. */
  const counts = new Float64Array(bounds.length + 1);
  let sum = 0;
  return {
    add: (value: number) => {
      let at = 0;
      while (value > (bounds[at] ?? Number.POSITIVE_INFINITY)) at++;
      counts[at] = (counts[at] ?? 0) + 1;
      sum += value;
    },
    /** Buckets, sum and count, as Prometheus wants them. */
    rows: (name: string, labels: Record<string, string | number>): Sample[] => {
      let seen = 0;
      const buckets = [...counts].map((count, at) => {
        seen += count;
        const le = bounds[at] ?? '+Inf';
        return { labels: { ...labels, le }, value: seen, metricName: `${name}_bucket` };
      });
      return [
        ...buckets,
        { labels, value: sum, metricName: `${name}_sum` },
        { labels, value: seen, metricName: `${name}_count` },
      ];
    },
  };
};
