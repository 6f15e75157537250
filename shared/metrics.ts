/**
 * The one door to prom-client. A process has one registry; names get the prefix `floodgate_`.
 * Edges and nodes answer with `json()`; the admin child labels the answers by where they come from,
 * and prints them as one (`printMetrics`). Nothing is summed here: a sum falls when a part is
 * missing, which `rate()` takes for a restart. Bind labels once (`counter.labels(…)`) where a
 * metric sits on a hot path.
 */
import {
  Counter,
  collectDefaultMetrics,
  Gauge,
  Histogram,
  type Metric,
  type MetricObject,
  Registry,
} from 'prom-client';
import { createLateness } from './lateness.js';

export type Metrics = ReturnType<typeof createMetrics>;
export type { Counter, Gauge, Histogram };

export type Sample = {
  labels: Record<string, string | number>;
  value: number;
  metricName?: string;
};
type ComputedType = 'counter' | 'histogram';

/** What `printMetrics` needs of a metric. */
type Printable = { name: string; help: string; type: string; values: object[] };

const prefix = 'floodgate_';

const named = ({ metricName }: Sample, before: string) =>
  metricName === undefined ? {} : { metricName: before + metricName };

/** prom-client's type asks for a class; its registry only ever calls `get`. */
const isMetric = (value: unknown): value is Metric =>
  typeof value === 'object' && value !== null && 'get' in value && 'name' in value;

const register = (registry: Registry, metric: object, get: () => Promise<object>) => {
  const entry: unknown = { ...metric, get };
  if (isMetric(entry)) registry.registerMetric(entry);
};

/**
 * Without the lag of the event loop: its monitor wakes the process at its precision, and one that
 * is cheap enough (10 ms cost 0.4 ms per login) measures nothing but that precision. See lateness.
 */
const collectDefaults = (registry: Registry) => {
  const eventLoopMonitoringPrecision = 3_600_000;
  collectDefaultMetrics({ register: registry, prefix, eventLoopMonitoringPrecision });
  for (const { name } of registry.getMetricsAsArray())
    if (name.startsWith(`${prefix}nodejs_eventloop_lag`)) registry.removeSingleMetric(name);
};

/** `defaults`: also what every process shows of itself. */
export const createMetrics = ({ defaults = true }: { defaults?: boolean } = {}) => {
  const registry = new Registry();
  const registers = [registry];

  const addGauge = <L extends string>(
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
  };

  if (defaults) {
    collectDefaults(registry);
    const lateness = createLateness();
    const help = 'Longest time that the event loop kept a timer waiting, in the last 15 to 30 s';
    addGauge('loop_late_seconds', help, [], (gauge) => gauge.set(lateness.longestMs() / 1000));
  }

  return {
    counter: <L extends string>(name: string, help: string, labelNames: readonly L[] = []) =>
      new Counter({ name: prefix + name, help, labelNames, registers }),
    gauge: addGauge,
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
      const metric = { name: prefix + name, help, type };
      register(registry, metric, async () => ({
        ...metric,
        values: values().map((value) => ({ ...value, ...named(value, prefix) })),
      }));
    },
    /** Plain objects, fit for IPC and JSON. */
    json: (): Promise<MetricObject[]> => registry.getMetricsAsJSON(),
    text: (): Promise<string> => registry.metrics(),
  };
};

const isPrintable = (value: object): value is Printable =>
  ['name', 'help', 'type'].every((name) => typeof Reflect.get(value, name) === 'string') &&
  'values' in value &&
  Array.isArray(value.values);

// JSON has no NaN, and Prometheus no null.
const isNumber = (row: object): boolean => 'value' in row && typeof row.value === 'number';

/**
 * One scrape text from the `json()` of many processes, whose labels must keep their series apart.
 * What is no metric, and rows without a number, are left out.
 */
export const printMetrics = (parts: readonly object[][]): Promise<string> => {
  const joined = new Map<string, Printable>();
  for (const { name, help, type, values } of parts.flat().filter(isPrintable)) {
    const metric = joined.get(name) ?? { name, help, type, values: [] };
    joined.set(name, metric);
    for (const row of values) if (isNumber(row)) metric.values.push(row);
  }
  const registry = new Registry();
  for (const metric of joined.values()) register(registry, metric, async () => metric);
  return registry.metrics();
};
