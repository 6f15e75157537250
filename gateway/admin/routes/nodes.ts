/**
 * GET /nodes shows the registry's nodes and how the edges see each, POST /nodes/{id}/drain|undrain
 * steers. This child sends no logins, so what it thinks of a node itself would say nothing.
 */
import { AppError } from '../../../shared/errors.js';
import type { Route } from '../../../shared/http.js';
import type { Nodes } from '../../nodes/nodes.js';
import type { Gather } from '../gather.js';

type View = ReturnType<Nodes['snapshot']>[number];
const worstFirst = ['open', 'half-open', 'closed'] as const;

/** The views of all edges as one: the worst state, the sum of what is in flight. */
const summarise = (node: View, views: readonly View[]) => {
  const { id, boot_id, version, zone, slots, draining, via } = node;
  const states = views.map((view) => view.state);
  const open = views.filter(({ state }) => state !== 'closed');
  return {
    ...{ id, boot_id, version, zone, slots, draining, via },
    edges: views.length,
    /** At how many of them its breaker is not closed, and how many choose it for nothing at present. */
    edges_open: open.length,
    edges_avoiding: views.filter((view) => view.suspect || open.includes(view)).length,
    state: worstFirst.find((state) => states.includes(state)) ?? 'unknown',
    suspect: views.some((view) => view.suspect),
    full: views.some((view) => view.full),
    weight: Math.min(1, ...views.map((view) => view.weight)),
    inflight: views.reduce((sum, view) => sum + view.inflight, 0),
    service_ms: Math.max(0, ...views.map((view) => view.report.service_ms)),
  };
};

/** The id and what to do, from /nodes/{id}/{action}; undefined when it is no such path. */
const readAction = (path: string) => {
  const [, text = '', action] = /^\/nodes\/([^/]{1,384})\/(drain|undrain)$/.exec(path) ?? [];
  try {
    return action === undefined ? undefined : { id: decodeURIComponent(text), action };
  } catch {
    return undefined;
  }
};

export const createNodeRoutes = ({
  nodes,
  gather,
}: {
  nodes: Pick<Nodes, 'snapshot' | 'call'>;
  gather: Pick<Gather, 'nodeViews'>;
}): Route[] => [
  {
    method: 'GET',
    path: '/nodes',
    body: 'none',
    handle: async () => {
      const views = (await gather.nodeViews()).flat();
      const shown = nodes.snapshot().sort((a, b) => (a.id < b.id ? -1 : 1));
      const seen = (node: View) =>
        views.filter(({ id, boot_id }) => id === node.id && boot_id === node.boot_id);
      return { status: 200, body: { nodes: shown.map((node) => summarise(node, seen(node))) } };
    },
  },
  {
    method: 'POST',
    path: '/nodes',
    prefix: true,
    body: 'none',
    handle: async (ctx) => {
      const asked = readAction(ctx.path);
      if (asked === undefined) throw new AppError('not_found');
      ctx.facts = { node: asked.id, action: asked.action };
      const said = await nodes.call(asked.id, 'POST', `/${asked.action}`);
      return { status: 200, body: Object.assign({}, said, asked) };
    },
  },
];
