/**
 * The HTTP server of edges, the admin child and worker nodes: checks the head, finds the route,
 * reads the body, and holds the single catch that turns an error into an answer.
 * It knows statuses and headers; what a request means is the routes' business. The path without a
 * body runs synchronously from parser to answer, because token checks live on it.
 */
import { randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { Server as TcpServer } from 'node:net';
import type { Duplex } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { AppError, type ErrorCode, isAppError, rowOf } from './errors.js';
import { createFailureLog } from './failure-log.js';
import { parseForm } from './form.js';
import { errorBody, errorHeaders, parserCodes, rawAnswer } from './http-answer.js';
import { closeUnlessRead, createPipeline, limitConnections } from './http-connections.js';
import { endEmpty, hasBody } from './http-empty.js';
import { createSendHead } from './http-head.js';
import type { HttpOptions } from './http-options.js';
import { bad, checkHead, checkMediaType, isSmall, readBody } from './http-request.js';
import { createRounds } from './http-rounds.js';
import { type Ctx, createRouter, type Reply, type Route } from './http-route.js';
import { parseJson } from './json.js';
import { parseLines } from './lines.js';

export { withHead } from './http-head.js';
export type { HttpOptions } from './http-options.js';
export type { Body, Ctx, Reply, Route } from './http-route.js';

const maxHeaderBytes = 16 * 1024;
/** What is asked of a route when a request fails. */
type Failing = Pick<Route, 'path' | 'translate'>;
const noRoute: Failing = { path: 'none' };
const parsers = { json: parseJson, form: parseForm, lines: parseLines };

export const createHttp = (options: HttpOptions) => {
  const { log, before, requestIdOf, decorate, observe, inner = false } = options;
  const { isLast = () => false } = options;
  const findRoute = createRouter(options.routes);
  const idPrefix = randomBytes(9).toString('base64url');
  let lastId = 0;
  let isStopping = false;
  const pipeline = createPipeline(options);
  const rounds = createRounds();
  const logFailure = createFailureLog({ log });
  const keepAliveMs = options.keepAliveMs ?? 5000;
  const sendHead = createSendHead(keepAliveMs);
  const newId = () => `${idPrefix}${(++lastId).toString(36)}`;

  const write = (ctx: Ctx, reply: Reply) => {
    const { req, res } = ctx;
    const { head } = reply;
    const closes = isStopping || (res.shouldKeepAlive && isLast());
    if (head !== undefined && decorate === undefined && !closes)
      if (sendHead(res, ctx.requestId, head)) return;
    const text = reply.text ?? (reply.body === undefined ? '' : JSON.stringify(reply.body));
    // Spread at once: adding one after the other takes a microsecond longer.
    const headers: Record<string, string> = {
      'x-request-id': ctx.requestId,
      'cache-control': 'no-store',
      ...reply.headers,
    };
    if (reply.body !== undefined) headers['content-type'] ??= 'application/json; charset=utf-8';
    if (reply.status !== 204)
      headers['content-length'] = text === '' ? '0' : String(Buffer.byteLength(text));
    if (decorate !== undefined) decorate(req, headers);
    // A body that was refused unread would have to be read to reuse the connection. Only of those
    // that are turned away, of which there are thousands, a short one is.
    const isUnread = !req.complete && reply.status >= 400 && hasBody(req);
    const isThrownAway = ctx.isTurnedAway === true && isSmall(req);
    if (closes || (isUnread && !isThrownAway)) headers.connection = 'close';
    res.writeHead(reply.status, headers);
    res.end(req.method === 'HEAD' ? '' : text);
  };

  const send = (ctx: Ctx, route: string, reply: Reply, code?: ErrorCode) => {
    if (!ctx.res.headersSent && !ctx.res.destroyed) write(ctx, reply);
    observe?.(ctx, route, reply.status, code);
  };

  const fail = (ctx: Ctx, { path, translate }: Failing, thrown: unknown) => {
    const cause = isAppError(thrown) ? thrown : new AppError('internal', { cause: thrown });
    // Time is up at once for whoever has left, which is nobody's failure.
    const hasLeft = cause.code === 'timeout' && ctx.res.destroyed;
    if (!hasLeft) logFailure(cause, path, ctx.requestId);
    const error = translate?.(cause) ?? cause;
    const headers = errorHeaders(error);
    const body = errorBody(error, ctx.requestId, inner);
    send(ctx, path, { status: rowOf(error.code).status, headers, body }, error.code);
  };

  const settle = (ctx: Ctx, route: Route, reply: Reply | Promise<Reply>) => {
    const { socket } = ctx.req;
    if (!(reply instanceof Promise)) {
      // Behind another answer on its connection: it lies there until that one is gone.
      if (ctx.res.socket === null) {
        if (!pipeline.enter(socket)) return;
        ctx.res.once('close', () => pipeline.leave(socket));
      }
      return send(ctx, route.path, reply);
    }
    pipeline.enter(socket);
    reply
      .then(
        (done) => send(ctx, route.path, done),
        (error: unknown) => fail(ctx, route, error),
      )
      .finally(() => pipeline.leave(socket));
  };

  const handleBody = async (ctx: Ctx, route: Route, kind: Exclude<Route['body'], 'none'>) => {
    const { socket } = ctx.req;
    if (!pipeline.enter(socket)) return;
    try {
      checkMediaType(ctx.req, kind);
      const bytes = await readBody(ctx.req, route.maxBytes);
      if (bytes === undefined) return;
      ctx.arrivedAt = performance.now();
      const body = parsers[kind](bytes);
      send(ctx, route.path, await route.handle(ctx, body));
    } catch (error) {
      fail(ctx, route, error);
    } finally {
      pipeline.leave(socket);
    }
  };

  const refuseRoute = (ctx: Ctx, allow: string[]) => {
    const isQuestion = ctx.req.method === 'OPTIONS' && allow.length > 0;
    const preflight = isQuestion ? options.preflight?.(ctx.req, allow) : undefined;
    if (preflight) return send(ctx, 'preflight', { status: 204, headers: preflight });
    const error = new AppError(allow.length === 0 ? 'not_found' : 'method_not_allowed');
    const headers: Record<string, string> = allow.length === 0 ? {} : { allow: allow.join(', ') };
    const body = errorBody(error, ctx.requestId, inner);
    send(ctx, noRoute.path, { status: rowOf(error.code).status, headers, body }, error.code);
  };

  const onRequest = (req: IncomingMessage, res: ServerResponse) => {
    // The rest of a chunk that was read before the connection was cut off.
    if (req.socket.destroyed) return;
    const url = req.url ?? '/';
    const mark = url.indexOf('?');
    const path = mark === -1 ? url : url.slice(0, mark);
    const requestId = requestIdOf?.(req) ?? newId();
    const ctx: Ctx = { req, res, requestId, path, arrivedAt: performance.now() };
    const route = findRoute(req.method ?? '', path);
    try {
      checkHead(req);
      if (!('handle' in route)) return refuseRoute(ctx, route);
      before?.(req);
      if (route.whenBehind !== undefined && rounds.turnAway(ctx.arrivedAt, req.socket)) {
        ctx.isTurnedAway = true;
        throw route.whenBehind();
      }
      if (route.body !== 'none') return void handleBody(ctx, route, route.body);
      if (!hasBody(req)) endEmpty(req);
      settle(ctx, route, route.handle(ctx, {}));
    } catch (error) {
      fail(ctx, 'handle' in route ? route : noRoute, error);
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
    keepAliveTimeout: keepAliveMs,
    requireHostHeader: false,
    noDelay: true,
  };
  const server = options.tls
    ? createTlsServer(
        { ...settings, handshakeTimeout: 5000, minVersion: 'TLSv1.2', ...options.tls },
        onRequest,
      )
    : createServer(settings, onRequest);
  // Every line is kept, so that checkHead can count them.
  server.maxHeadersCount = 0;
  server.timeout = options.standstillMs ?? 60_000;
  const connections = limitConnections(options);
  server.on('connection', connections.enter);
  server.on('error', (cause) => {
    // Descriptors or memory are gone: one client is refused, which is no reason to end. Before, it is listen's.
    if (server.listening)
      logFailure(new AppError('temporarily_unavailable', { cause }), 'accept', '');
  });
  server.on('timeout', closeUnlessRead);
  server.on('clientError', onClientError);
  server.on('checkExpectation', (req: IncomingMessage, res: ServerResponse) => {
    const ctx: Ctx = { req, res, requestId: newId(), path: '', arrivedAt: performance.now() };
    fail(ctx, noRoute, bad('expectation'));
  });

  /**
   * Answers say `Connection: close` for `announceMs` while new connections are still taken (closing
   * at once resets keep-alive clients), then the listener closes and what is in flight ends. So do idle
   * connections, but not while `keepsIdle` says so and `keepAliveMs`, which our answers promised, have not
   * passed: one that is closed while its client sends is reset.
   */
  const stop = async (announceMs: number, keepsIdle = () => false): Promise<void> => {
    isStopping = true;
    rounds.release();
    const promisedUntil = performance.now() + keepAliveMs;
    await sleep(announceMs);
    const closeIdle = () => {
      if (!keepsIdle() || performance.now() > promisedUntil) server.closeIdleConnections();
    };
    const closed = new Promise<void>((resolve) => {
      // The close of http.Server ends idle connections at once.
      TcpServer.prototype.close.call(server, () => resolve());
    });
    closeIdle();
    const sweep = setInterval(closeIdle, 100);
    await closed;
    clearInterval(sweep);
  };

  return { server, stop, connections: connections.count };
};
