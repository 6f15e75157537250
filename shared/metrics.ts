/**
 * The one door to prom-client. A process has one registry; names get the prefix `floodgate_`.
 * Edges and nodes answer with `json()`, the admin child merges those answers (`mergeMetrics`) and
 * prints text. Bind labels once (`counter.labels(…)`) where a metric sits on a hot path.
 */
import {
  AggregatorRegistry,
  Counter,
  collectDefaultMetrics,
  Gauge,
  Histogram,
  type Metric,
  type MetricObject,
  Registry,
} from 'prom-client';

export type Metrics = ReturnType<typeof createMetrics>;
export type { Counter, Gauge, Histogram };

export type Sample = {
  labels: Record<string, string | number>;
  value: number;
  metricName?: string;
};
type ComputedType = 'counter' | 'histogram';

const prefix = 'floodgate_';

const named = ({ metricName }: Sample, before: string) =>
  metricName === undefined ? {} : { metricName: before + metricName };

/** prom-client's type asks for a class; its registry only ever calls `get`. */
const isMetric = (value: unknown): value is Metric =>
  typeof value === 'object' && value !== null && 'get' in value && 'name' in value;

export const createMetrics = ({ defaults = true }: { defaults?: boolean } = {}) => {
  const registry = new Registry();
  // The event-loop monitor wakes the process at its precision; at the default of 10 ms that alone
  // cost 0.4 ms per login.
  const eventLoopMonitoringPrecision = 1000;
  if (defaults) collectDefaultMetrics({ register: registry, prefix, eventLoopMonitoringPrecision });
  const registers = [registry];

  return {
    counter: <L extends string>(name: string, help: string, labelNames: readonly L[] = []) =>
      new Counter({ name: prefix + name, help, labelNames, registers }),
    gauge: <L extends string>(
      name: string,
      help: string,
      labelNames: readonly L[] = [],
      /** Called at each scrape with the gauge, to set what is computed on demand. */
      collect?: (gauge: Gauge<L>) => void,
    ): Gauge<L> => {
      const gauge: Gauge<L> = new Gauge({
        name: prefix + name,
        help,
        labelNames,
        registers,
        ...(collect ? { collect: () => collect(gauge) } : {}),
      });
      return gauge;
    },
    histogram: <L extends string>(
      name: string,
      help: string,
      labelNames: readonly L[] = [],
      buckets?: number[],
    ) =>
      new Histogram({
        name: prefix + name,
        help,
        labelNames,
        registers,
        ...(buckets ? { buckets } : {}),
      }),
    /**
     * A metric that its owner counts itself, for paths where even `inc()` is felt. `values` runs at
     * each scrape; a histogram's rows carry `metricName` (`…_bucket`, `…_sum`, `…_count`).
     */
    computed: (name: string, help: string, type: ComputedType, values: () => Sample[]) => {
      const metric = { name: prefix + name, help, type, aggregator: 'sum' };
      const get = async () => ({
        ...metric,
        values: values().map((value) => ({ ...value, ...named(value, prefix) })),
      });
      const entry: unknown = { ...metric, get };
      if (isMetric(entry)) registry.registerMetric(entry);
    },
    /** Plain objects, fit for IPC and JSON. */
    json: (): Promise<MetricObject[]> => registry.getMetricsAsJSON(),
    text: (): Promise<string> => registry.metrics(),
  };
};

/** One scrape text from the `json()` of many processes: sums, and averages where prom-client says so. */
export const mergeMetrics = (parts: object[][]): Promise<string> =>
  AggregatorRegistry.aggregate(parts).metrics();
