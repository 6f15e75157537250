/**
 * What every process knows, gathered for one call: edges over IPC through the primary, nodes over
 * their sockets. Whoever does not answer in time is left out; a scrape never waits for the dead.
 */
import type { Lifecycle } from '../../shared/lifecycle.js';
import type { Topic } from '../ipc.js';
import type { Nodes } from '../nodes/submit.js';

type NodeView = ReturnType<Nodes['snapshot']>[number];
type Metric = { values?: { labels?: Record<string, unknown> }[] };
export type Gather = ReturnType<typeof createGather>;

const patienceMs = 1500;

// Our own edge wrote it, and the primary passed it on as it was.
const isView = (value: object): value is NodeView => 'id' in value && 'boot_id' in value;
const isMetric = (value: unknown): value is Metric => typeof value === 'object' && value !== null;

/** The same metrics with a `node` label on every value, so that nodes stay apart in a sum. */
const labelled = (part: unknown, node: string): object[] => {
  if (!Array.isArray(part)) return [];
  return part.filter(isMetric).map((metric) => ({
    ...metric,
    values: (metric.values ?? []).map((value) => ({ ...value, labels: { ...value.labels, node } })),
  }));
};

export const createGather = ({ lifecycle, nodes }: { lifecycle: Lifecycle; nodes: Nodes }) => {
  const waiting = new Map<number, (parts: object[][]) => void>();
  let lastId = 0;

  const edges = (topic: Topic): Promise<object[][]> =>
    new Promise((resolve) => {
      const id = ++lastId;
      const finish = (parts: object[][]) => {
        waiting.delete(id);
        clearTimeout(timer);
        resolve(parts);
      };
      const timer = setTimeout(finish, patienceMs, []);
      waiting.set(id, finish);
      lifecycle.tell({ t: 'gather', id, topic });
    });

  const node = async (id: string): Promise<object[]> => {
    try {
      return labelled(await nodes.call(id, 'GET', '/metrics'), id);
    } catch {
      return [];
    }
  };

  return {
    collected: (id: number, parts: object[][]) => waiting.get(id)?.(parts),
    /** One list of metric objects per process that answered. */
    metrics: async (): Promise<object[][]> => {
      const ids = nodes.snapshot().map((member) => member.id);
      const [fromEdges, fromNodes] = await Promise.all([
        edges('metrics'),
        Promise.all(ids.map(node)),
      ]);
      return [...fromEdges, ...fromNodes];
    },
    /** How each edge that answered sees the nodes. */
    nodeViews: async (): Promise<NodeView[][]> => {
      const parts = await edges('nodes');
      return parts.map((part) => part.filter(isView));
    },
  };
};
