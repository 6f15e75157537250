/** GET /nodes shows what this gateway knows of every node; POST /nodes/{id}/drain|undrain steers. */
import { AppError } from '../../../shared/errors.js';
import type { Route } from '../../../shared/http.js';
import type { Nodes } from '../../nodes/submit.js';

export const createNodeRoutes = ({ nodes }: { nodes: Nodes }): Route[] => [
  {
    method: 'GET',
    path: '/nodes',
    body: 'none',
    handle: () => {
      const shown = nodes.snapshot().sort((a, b) => (a.id < b.id ? -1 : 1));
      return { status: 200, body: { nodes: shown } };
    },
  },
  {
    method: 'POST',
    path: '/nodes',
    prefix: true,
    body: 'none',
    handle: async (ctx) => {
      const [, id, action] = /^\/nodes\/([^/]{1,128})\/(drain|undrain)$/.exec(ctx.path) ?? [];
      if (id === undefined || !nodes.snapshot().some((member) => member.id === id))
        throw new AppError('not_found');
      ctx.facts = { node: id, action };
      await nodes.call(id, 'POST', `/${action}`);
      return { status: 200, body: { id, action } };
    },
  },
];
