/**
 * What every process knows, gathered for one call: edges over IPC through the primary, nodes over
 * their sockets. Whoever does not answer in time is left out; a scrape never waits for the dead.
 *
 * Each process keeps its own series: `edge` is the place that a successor takes over too, `admin`
 * this child, `node` the id of a node. So whoever is missing, or starts anew, changes no series but
 * its own.
 */
import { whenLate } from '../../shared/late.js';
import type { Lifecycle } from '../../shared/lifecycle.js';
import type { Metrics } from '../../shared/metrics.js';
import type { Topic } from '../ipc.js';
import type { Nodes } from '../nodes/nodes.js';

type NodeView = ReturnType<Nodes['snapshot']>[number];
type Metric = { values?: { labels?: Record<string, unknown> }[] };
type Collected = { parts: object[][]; places: number[] };
export type Gather = ReturnType<typeof createGather>;

const patienceMs = 1500;

// Our own edge wrote it, and the primary passed it on as it was.
const isView = (value: object): value is NodeView => 'id' in value && 'boot_id' in value;
const isMetric = (value: unknown): value is Metric => typeof value === 'object' && value !== null;

/** The same metrics with one more label on every value. */
const labelled = (part: unknown, label: { node: string } | { edge: string }): object[] => {
  if (!Array.isArray(part)) return [];
  return part.filter(isMetric).map((metric) => ({
    ...metric,
    values: (metric.values ?? []).map((row) => ({ ...row, labels: { ...row.labels, ...label } })),
  }));
};

export const createGather = (options: {
  lifecycle: Pick<Lifecycle, 'tell'>;
  nodes: Pick<Nodes, 'snapshot' | 'call'>;
  /** What this process counts itself. */
  own: Pick<Metrics, 'json'>;
  /** What is said of the gateway as a whole, and so of no process. */
  common: Pick<Metrics, 'json' | 'gauge'>;
  /** How many edges there should be. */
  expected: number;
}) => {
  const { lifecycle, nodes, own, common, expected } = options;
  const waiting = new Map<number, (collected: Collected) => void>();
  let lastId = 0;
  const count = common.gauge(
    'edges',
    'Edges of this gateway: expected, and answered to this scrape',
    ['state'],
  );

  const edges = (topic: Topic): Promise<Collected> =>
    new Promise((resolve) => {
      const id = ++lastId;
      const finish = (collected: Collected) => {
        waiting.delete(id);
        stopWaiting();
        resolve(collected);
      };
      const stopWaiting = whenLate(patienceMs, () => finish({ parts: [], places: [] }));
      waiting.set(id, finish);
      lifecycle.tell({ t: 'gather', id, topic });
    });

  const ofEdges = async (): Promise<object[][]> => {
    const { parts, places } = await edges('metrics');
    count.set({ state: 'answered' }, parts.length);
    count.set({ state: 'expected' }, expected);
    return parts.map((part, at) => labelled(part, { edge: String(places[at]) }));
  };

  const ofNode = async (id: string): Promise<object[]> => {
    try {
      return labelled(await nodes.call(id, 'GET', '/metrics'), { node: id });
    } catch {
      return [];
    }
  };

  return {
    collected: ({ id, ...collected }: Collected & { id: number }) => waiting.get(id)?.(collected),
    /** One list of metric objects per process that answered, and one of the gateway itself. */
    metrics: async (): Promise<object[][]> => {
      const ids = nodes.snapshot().map((member) => member.id);
      const [fromEdges, fromNodes] = await Promise.all([ofEdges(), Promise.all(ids.map(ofNode))]);
      const fromHere = labelled(await own.json(), { edge: 'admin' });
      return [await common.json(), fromHere, ...fromEdges, ...fromNodes];
    },
    /** How each edge that answered sees the nodes. */
    nodeViews: async (): Promise<NodeView[][]> => {
      const { parts } = await edges('nodes');
      return parts.map((part) => part.filter(isView));
    },
  };
};
