/**
 * HTTP in and out for edges, the admin child and worker nodes: checks the head, finds the route,
 * reads the body, and holds the single catch that turns an error into an answer.
 * It knows statuses and headers; what a request means is the routes' business. The path without a
 * body runs synchronously from parser to answer, because token checks live on it.
 */
import { randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { AppError, describe, type ErrorCode, isAppError, rowOf } from './errors.js';
import { parseJson } from './json.js';

export type Ctx = {
  req: IncomingMessage;
  res: ServerResponse;
  requestId: string;
  path: string;
  /** performance.now() when the request was complete: the last body byte, or the head. */
  arrivedAt: number;
};
export type Reply = { status: number; headers?: Record<string, string>; body?: unknown };
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

type Logs = { error(fields: object, text: string): void; warn(fields: object, text: string): void };
export type HttpOptions = {
  routes: readonly Route[];
  log: Logs;
  /** Runs before the body is read; throws to refuse. */
  before?: (req: IncomingMessage) => void;
  /** An id from a caller we trust, for correlation only. */
  requestIdOf?: (req: IncomingMessage) => string | undefined;
  /** Adds headers to every answer (cross-origin, a node's load). */
  decorate?: (req: IncomingMessage, headers: Record<string, string>) => void;
  observe?: (route: string, status: number, ms: number) => void;
  tls?: { cert: Buffer; key: Buffer };
  maxConnections?: number;
  /** Connections of one address; `exempt` names addresses that stand for many clients. */
  perAddress?: { max: number; exempt: (address: string) => boolean };
  keepAliveMs?: number;
  /** Inner answers carry the reason as a field, so that an edge can pass it on. */
  inner?: boolean;
};

const maxHeaderBytes = 16 * 1024;
const maxHeaderLines = 100;
const maxBodyBytes = 16 * 1024;

// ─── head ────────────────────────────────────────────────────────────────────

const bad = (reason: NonNullable<AppError['reason']>, field?: string) =>
  new AppError('bad_request', field === undefined ? { reason } : { reason, field });

/**
 * Node drops header lines past its own limit and keeps the first of some duplicates without a word;
 * both hide what an intermediary may have read, so they are counted and refused here.
 */
const checkHead = (req: IncomingMessage) => {
  const raw = req.rawHeaders;
  if (raw.length > 2 * maxHeaderLines) throw new AppError('headers_too_large');
  let hosts = 0;
  let types = 0;
  let authorizations = 0;
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i] ?? '';
    if (name.length === 4) {
      if (name.toLowerCase() === 'host') hosts++;
    } else if (name.length === 12) {
      if (name.toLowerCase() === 'content-type') types++;
    } else if (name.length === 13 && name.toLowerCase() === 'authorization') authorizations++;
  }
  const host = req.headers.host;
  if (hosts !== 1 || host === undefined || /[,/\s@]/.test(host)) throw bad('host');
  if (types > 1) throw bad('duplicate_header', 'Content-Type');
  if (authorizations > 1) throw bad('duplicate_header', 'Authorization');
  if (req.headers['transfer-encoding'] !== undefined && req.headers['content-length'] !== undefined)
    throw bad('framing');
  if (req.url?.charCodeAt(0) !== 47) throw bad('target');
};

// ─── body ────────────────────────────────────────────────────────────────────

const checkMediaType = (req: IncomingMessage) => {
  const type = req.headers['content-type'] ?? '';
  if (!/^application\/json\s*(;\s*charset="?utf-8"?\s*)?$/i.test(type))
    throw new AppError('unsupported_media_type');
  if (req.headers['content-encoding'] !== undefined) throw new AppError('unsupported_media_type');
};

/** The whole body, or undefined when the client left while sending it. */
const readBody = (req: IncomingMessage): Promise<Buffer | undefined> =>
  new Promise((resolve, reject) => {
    if (Number(req.headers['content-length'] ?? 0) > maxBodyBytes)
      return reject(new AppError('payload_too_large'));
    const chunks: Buffer[] = [];
    let size = 0;
    req.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size > maxBodyBytes) return reject(new AppError('payload_too_large'));
      chunks.push(chunk);
    });
    req.once('end', () => resolve(chunks.length === 1 ? chunks[0] : Buffer.concat(chunks)));
    req.once('error', () => resolve(undefined));
    req.once('close', () => resolve(undefined));
  });

// ─── answers ─────────────────────────────────────────────────────────────────

const challengeOf = (code: ErrorCode, kind: 'bare' | 'invalid'): string =>
  kind === 'bare'
    ? 'Bearer realm="floodgate"'
    : `Bearer realm="floodgate", error="invalid_token", error_description="${rowOf(code).text}"`;

const errorBody = (error: AppError, requestId: string, inner: boolean) => ({
  error: error.code,
  error_description: describe(error),
  request_id: requestId,
  ...(inner && error.reason !== undefined ? { reason: error.reason, field: error.field } : {}),
  ...(inner && error.code === 'overloaded'
    ? { started: false, wait_ms: Math.round(error.retryAfterMs ?? 0) }
    : {}),
});

const errorHeaders = (error: AppError): Record<string, string> => {
  const row = rowOf(error.code);
  const headers: Record<string, string> = {};
  if (row.challenge !== undefined)
    headers['www-authenticate'] = challengeOf(error.code, row.challenge);
  const waitMs = error.retryAfterMs ?? row.retryAfterMs;
  if (waitMs !== undefined) headers['retry-after'] = String(Math.max(1, Math.ceil(waitMs / 1000)));
  return headers;
};

/** For what Node's parser refuses: no request object exists, so the answer is written by hand. */
const rawAnswer = (code: ErrorCode, requestId: string): string => {
  const body = JSON.stringify(errorBody(new AppError(code), requestId, false));
  return (
    `HTTP/1.1 ${rowOf(code).status} Error\r\nContent-Type: application/json; charset=utf-8\r\n` +
    `Content-Length: ${Buffer.byteLength(body)}\r\nCache-Control: no-store\r\n` +
    `X-Request-Id: ${requestId}\r\nConnection: close\r\n\r\n${body}`
  );
};

const parserCodes: Record<string, ErrorCode> = {
  HPE_HEADER_OVERFLOW: 'headers_too_large',
  HPE_CHUNK_EXTENSIONS_OVERFLOW: 'payload_too_large',
  ERR_HTTP_REQUEST_TIMEOUT: 'request_timeout',
};

// ─── routing ─────────────────────────────────────────────────────────────────

const createRouter = (routes: readonly Route[]) => {
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

const limitConnections = (limit: NonNullable<HttpOptions['perAddress']>) => {
  const open = new Map<string, number>();
  return (socket: Socket) => {
    const address = socket.remoteAddress;
    if (address === undefined || limit.exempt(address)) return;
    const count = (open.get(address) ?? 0) + 1;
    if (count > limit.max) return void socket.destroy();
    open.set(address, count);
    socket.once('close', () => {
      const left = (open.get(address) ?? 1) - 1;
      if (left === 0) open.delete(address);
      else open.set(address, left);
    });
  };
};

// ─── the server ──────────────────────────────────────────────────────────────

export const createHttp = (options: HttpOptions) => {
  const { log, before, requestIdOf, decorate, observe, inner = false } = options;
  const findRoute = createRouter(options.routes);
  const idPrefix = randomBytes(9).toString('base64url');
  let lastId = 0;
  let isStopping = false;
  const newId = () => `${idPrefix}${(++lastId).toString(36)}`;

  const send = (ctx: Ctx, route: string, reply: Reply) => {
    const { req, res } = ctx;
    if (res.headersSent || res.destroyed) return;
    const text = reply.body === undefined ? '' : JSON.stringify(reply.body);
    const headers: Record<string, string> = { 'x-request-id': ctx.requestId };
    if (text !== '') headers['content-type'] = 'application/json; charset=utf-8';
    headers['cache-control'] = 'no-store';
    if (reply.headers !== undefined) Object.assign(headers, reply.headers);
    if (reply.status !== 204) headers['content-length'] = String(Buffer.byteLength(text));
    if (decorate !== undefined) decorate(req, headers);
    // A body that was refused unread would have to be read to reuse the connection.
    if (isStopping || (!req.complete && reply.status >= 400)) headers.connection = 'close';
    res.writeHead(reply.status, headers);
    res.end(req.method === 'HEAD' ? '' : text);
    observe?.(route, reply.status, performance.now() - ctx.arrivedAt);
  };

  const fail = (ctx: Ctx, route: string, thrown: unknown) => {
    const error = isAppError(thrown) ? thrown : new AppError('internal', { cause: thrown });
    if (error.code === 'internal')
      log.error({ request_id: ctx.requestId, route, err: error }, 'internal error');
    const headers = errorHeaders(error);
    const body = errorBody(error, ctx.requestId, inner);
    send(ctx, route, { status: rowOf(error.code).status, headers, body });
  };

  const settle = (ctx: Ctx, route: Route, reply: Reply | Promise<Reply>) => {
    if (!(reply instanceof Promise)) return send(ctx, route.path, reply);
    reply.then(
      (done) => send(ctx, route.path, done),
      (error: unknown) => fail(ctx, route.path, error),
    );
  };

  const handleBody = async (ctx: Ctx, route: Route) => {
    try {
      checkMediaType(ctx.req);
      const bytes = await readBody(ctx.req);
      if (bytes === undefined) return;
      ctx.arrivedAt = performance.now();
      send(ctx, route.path, await route.handle(ctx, parseJson(bytes)));
    } catch (error) {
      fail(ctx, route.path, error);
    }
  };

  const refuseRoute = (ctx: Ctx, allow: readonly string[]) => {
    const error = new AppError(allow.length === 0 ? 'not_found' : 'method_not_allowed');
    const headers: Record<string, string> =
      allow.length === 0 ? {} : { allow: [...new Set(allow)].join(', ') };
    const body = errorBody(error, ctx.requestId, inner);
    send(ctx, 'none', { status: rowOf(error.code).status, headers, body });
  };

  const onRequest = (req: IncomingMessage, res: ServerResponse) => {
    const url = req.url ?? '/';
    const mark = url.indexOf('?');
    const path = mark === -1 ? url : url.slice(0, mark);
    const requestId = requestIdOf?.(req) ?? newId();
    const ctx: Ctx = { req, res, requestId, path, arrivedAt: performance.now() };
    let label = 'none';
    try {
      checkHead(req);
      const route = findRoute(req.method ?? '', path);
      if (!('handle' in route)) return refuseRoute(ctx, route);
      label = route.path;
      before?.(req);
      if (route.body === 'json') void handleBody(ctx, route);
      else settle(ctx, route, route.handle(ctx, {}));
    } catch (error) {
      fail(ctx, label, error);
    }
  };

  const onClientError = (error: NodeJS.ErrnoException, socket: Duplex) => {
    if (!socket.writable || error.code === 'ECONNRESET') return void socket.destroy();
    socket.end(rawAnswer(parserCodes[error.code ?? ''] ?? 'bad_request', newId()));
    // Whoever does not read the answer is not waited for.
    setTimeout(() => socket.destroy(), 1000).unref();
  };

  const settings = {
    maxHeaderSize: maxHeaderBytes,
    headersTimeout: 5000,
    requestTimeout: 10_000,
    connectionsCheckingInterval: 500,
    keepAliveTimeout: options.keepAliveMs ?? 5000,
    requireHostHeader: false,
    noDelay: true,
  };
  const server = options.tls
    ? createTlsServer({ ...settings, ...options.tls, minVersion: 'TLSv1.2' }, onRequest)
    : createServer(settings, onRequest);
  // Every line is kept, so that checkHead can count them.
  server.maxHeadersCount = 0;
  if (options.maxConnections !== undefined) server.maxConnections = options.maxConnections;
  if (options.perAddress !== undefined)
    server.on('connection', limitConnections(options.perAddress));
  server.on('clientError', onClientError);
  server.on('checkExpectation', (req: IncomingMessage, res: ServerResponse) => {
    const ctx: Ctx = { req, res, requestId: newId(), path: '', arrivedAt: performance.now() };
    fail(ctx, 'none', bad('expectation'));
  });

  /**
   * Answers say `Connection: close` for `announceMs` while new connections are still taken (closing
   * at once resets keep-alive clients), then the listener closes and what is in flight ends.
   */
  const stop = async (announceMs: number): Promise<void> => {
    isStopping = true;
    await sleep(announceMs);
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    server.closeIdleConnections();
    const sweep = setInterval(() => server.closeIdleConnections(), 100);
    await closed;
    clearInterval(sweep);
  };

  return { server, stop, stopping: () => isStopping };
};
