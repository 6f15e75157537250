/**
 * What a route is, and how a request finds its route: by exact method and path first, then by
 * prefix. A path that exists under other methods answers 405 with Allow, any other 404.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AppError } from './errors.js';

export type Ctx = {
  req: IncomingMessage;
  res: ServerResponse;
  requestId: string;
  path: string;
  /** performance.now() when the request was complete: the last body byte, or the head. */
  arrivedAt: number;
  /** Refused before its body was read, because the event loop is behind. */
  isTurnedAway?: true;
  /** What a route knows of the caller, for the audit line. Never a secret, and nothing nested. */
  facts?: Record<string, string | number | boolean | undefined>;
};
/** The lines of an answer without a body, but for those that differ each time. */
export type Head = { first: string; rest: string };
export type Reply = {
  status: number;
  headers?: Record<string, string>;
  body?: unknown;
  /** Instead of a JSON body; the route sets its content type. */
  text?: string;
  /** Of a reply that is given often (http-head.ts). */
  head?: Head;
};
export type Body = Record<string, unknown>;
export type Route = {
  /** '*' takes every method. */
  method: string;
  path: string;
  /** Also everything below `path` + '/'. */
  prefix?: true;
  body: 'json' | 'form' | 'lines' | 'none';
  /** Largest body; 16 KiB unless it says otherwise. */
  maxBytes?: number;
  /** What it refuses with, unread, while the event loop is behind; else a request waits its turn. */
  whenBehind?: () => AppError;
  /** Errors of this route in the words of its protocol. */
  translate?: (error: AppError) => AppError;
  handle: (ctx: Ctx, body: Body) => Reply | Promise<Reply>;
};

type Methods = Map<string, Route>;

export const createRouter = (routes: readonly Route[]) => {
  const exact = new Map<string, Methods>();
  const prefixes = routes.filter((route) => route.prefix);
  // A route of exactly this path goes before one that takes it along with everything below.
  for (const route of [...prefixes, ...routes.filter((each) => !each.prefix)]) {
    const methods = exact.get(route.path) ?? new Map<string, Route>();
    exact.set(route.path, methods.set(route.method, route));
  }

  /** The routes of a path, by method; none is an empty map. */
  const methodsOf = (path: string): Methods =>
    exact.get(path) ??
    new Map(prefixes.filter((r) => path.startsWith(`${r.path}/`)).map((r) => [r.method, r]));

  /** The route, or the methods that this path has instead. */
  return (method: string, path: string): Route | string[] => {
    const methods = methodsOf(path);
    const isRefused = method === 'TRACE' || method === 'CONNECT';
    // RFC 9110 § 9.3.2: the same without the body, which is left out where answers are written.
    const asked = method === 'HEAD' && !methods.has('HEAD') ? 'GET' : method;
    const found = isRefused ? undefined : (methods.get(asked) ?? methods.get('*'));
    const inAllow: Record<string, string> = { '*': 'GET, POST', GET: 'GET, HEAD' };
    return found ?? [...methods.keys()].map((name) => inAllow[name] ?? name);
  };
};
