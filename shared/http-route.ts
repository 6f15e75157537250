/**
 * What a route is, and how a request finds its route: by exact method and path first, then by
 * prefix. A path that exists under other methods answers 405 with Allow, any other 404.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';

export type Ctx = {
  req: IncomingMessage;
  res: ServerResponse;
  requestId: string;
  path: string;
  /** performance.now() when the request was complete: the last body byte, or the head. */
  arrivedAt: number;
  /** What a route knows of the caller, for the audit line. Never a secret. */
  facts?: Record<string, unknown>;
};
export type Reply = {
  status: number;
  headers?: Record<string, string>;
  body?: unknown;
  /** Instead of a JSON body; the route sets its content type. */
  text?: string;
};
export type Body = Record<string, unknown>;
export type Route = {
  /** '*' takes every method. */
  method: string;
  path: string;
  /** Also everything below `path` + '/'. */
  prefix?: true;
  body: 'json' | 'none';
  handle: (ctx: Ctx, body: Body) => Reply | Promise<Reply>;
};

export const createRouter = (routes: readonly Route[]) => {
  const exact = new Map<string, Route>();
  for (const route of routes) exact.set(`${route.method} ${route.path}`, route);
  const prefixes = routes.filter((route) => route.prefix);
  const isBelow = (route: Route, path: string) => path.startsWith(`${route.path}/`);

  const allowed = (path: string): string[] =>
    routes.filter((r) => r.path === path || (r.prefix && isBelow(r, path))).map((r) => r.method);

  return (method: string, path: string): Route | readonly string[] => {
    if (method === 'TRACE' || method === 'CONNECT') return ['GET', 'POST'];
    const found =
      exact.get(`${method} ${path}`) ??
      exact.get(`* ${path}`) ??
      prefixes.find((r) => (r.method === '*' || r.method === method) && isBelow(r, path));
    return found ?? allowed(path);
  };
};
