/**
 * /v1/verify: is this caller signed in, and who is it? The hot path of the edge: on a cache hit
 * nothing here waits. Any method, so that a reverse proxy can ask with the original request; the body
 * is never read. Demands (scopes, clients, dialect of the answer) are in the query of exactly
 * /v1/verify. Some proxies append the path and the query of the client to the path that they are
 * given; below /v1/verify/ both are therefore ignored, and demands come first in the path instead:
 * /v1/require/{demands}/…
 */
import { AppError } from '../../shared/errors.js';
import type { Ctx, Reply, Route } from '../../shared/http.js';
import type { Identify } from '../caller.js';
import { createDemands, type Demand, type Identity, noDemand, replyTo } from '../forward-auth.js';

const exact = '/v1/verify';
const demanding = '/v1/require';

export const createVerifyRoutes = ({ identify }: { identify: Identify<Identity> }): Route[] => {
  const demandOf = createDemands();

  const answer = ({ req }: Ctx, demand: Demand): Reply | Promise<Reply> => {
    const caller = identify(req);
    return caller instanceof Promise
      ? caller.then((claims) => replyTo(claims, demand))
      : replyTo(caller, demand);
  };

  const inQuery = (path: string, url: string): Demand =>
    path.length === exact.length && url.length > exact.length + 1
      ? demandOf(url.slice(exact.length + 1))
      : noDemand;

  /** The first segment below; the client's own path begins with the next slash. */
  const inPath = (path: string): Demand => {
    const [text = ''] = path.slice(demanding.length + 1).split('/', 1);
    if (text === '') throw new AppError('not_found');
    return demandOf(text);
  };

  const route = { method: '*', prefix: true, body: 'none' } as const;
  return [
    {
      ...route,
      path: exact,
      handle: (ctx) => answer(ctx, inQuery(ctx.path, ctx.req.url ?? '')),
    },
    { ...route, path: demanding, handle: (ctx) => answer(ctx, inPath(ctx.path)) },
  ];
};
