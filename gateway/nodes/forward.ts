/**
 * One request to one node and what became of it: the one door to http-proxy, on kept-alive
 * connections. The inner request is built from parsed values, so http-proxy gets no request and response
 * of a client but one small stand-in for both, with only what its code touches (read 1.23.3 before
 * changing versions): a real pair of streams would cost more than the rest of the forward.
 * Nothing of the node's answer is believed here beyond its framing and JSON; `outcome` judges it.
 */
import type { IncomingMessage } from 'node:http';
import { createProxyServer } from 'http-proxy';
import { whenLate } from '../../shared/late.js';
import { headers as names, parseLoad, type Load as Report } from '../../shared/protocol.js';
import type { Connect } from './connect.js';
import { createSockets, type Sockets, unreachedCode } from './sockets.js';

/** What became of an attempt. `unreached`: no byte left us. `died`: its fate is unknown. */
export type Answer =
  | { kind: 'answered'; status: number; body: unknown; load: Report | undefined }
  | { kind: 'malformed'; detail: string }
  | { kind: 'unreached' | 'died' | 'timeout' | 'aborted' };

/** Sends, and calls `done` exactly once. Returns how to give up early. */
type Send = (request: Request, done: (answer: Answer) => void) => () => void;
type Request = {
  method: string;
  path: string;
  headers: Record<string, string>;
  body?: string;
  timeoutMs: number;
  /** Asked when time is up and nothing came: how long to wait on, 0 to give up. */
  extendMs?: () => number;
  maxBytes?: number;
};
type Exchange = {
  answer: (incoming: IncomingMessage) => void;
  fail: (error: NodeJS.ErrnoException) => void;
};

const defaultMaxBytes = 64 * 1024;
/** No byte left us: nobody is there, or we have no more files or ports for it. */
const unreachedCodes = [
  ...[unreachedCode, 'ECONNREFUSED', 'ENOENT', 'EAGAIN', 'EACCES', 'ENOTSOCK'],
  ...['EMFILE', 'ENFILE', 'EADDRNOTAVAIL'],
];

const isExchange = (value: unknown): value is Exchange =>
  typeof value === 'object' && value !== null && 'answer' in value && 'fail' in value;

const classify = (error: NodeJS.ErrnoException): Answer => {
  const code = error.code ?? '';
  if (code.startsWith('HPE_')) return { kind: 'malformed', detail: code };
  return { kind: unreachedCodes.includes(code) ? 'unreached' : 'died' };
};

const parse = (status: number, text: string, load: Report | undefined): Answer => {
  if (text === '') return { kind: 'answered', status, body: undefined, load };
  try {
    return { kind: 'answered', status, body: JSON.parse(text), load };
  } catch {
    // The cause is dropped on purpose: it quotes the answer.
    return { kind: 'malformed', detail: `status ${status} without JSON` };
  }
};

const join = (chunks: readonly Buffer[]): string =>
  (chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks)).toString();

/** Reads the answer to its end, or until it is too long or breaks off. */
const collect = (incoming: IncomingMessage, maxBytes: number, settle: (a: Answer) => void) => {
  const chunks: Buffer[] = [];
  let bytes = 0;
  incoming.on('data', (chunk: Buffer) => {
    chunks.push(chunk);
    bytes += chunk.length;
    if (bytes > maxBytes) settle({ kind: 'malformed', detail: 'too long' });
  });
  incoming.on('end', () => {
    if (!incoming.complete) return;
    const load = parseLoad(incoming.headers[names.load]);
    settle(parse(incoming.statusCode ?? 0, join(chunks), load));
  });
  // Cut off in the middle: whatever was meant is lost.
  incoming.on('close', () => settle({ kind: 'died' }));
};

const livingSocket = { destroyed: false };

/** http-proxy for one address: options given with each call would be merged with each call. */
const createWeb = (agent: Sockets) => {
  const proxy = createProxyServer({
    target: { host: 'node', port: 80 },
    agent,
    selfHandleResponse: true,
    // The path is ours and well-formed, so that it need not be parsed as a URL.
    toProxy: true,
  });
  // Failures reach the exchange; without listeners they would be thrown.
  proxy.on('error', () => {});
  proxy.on('econnreset', () => {});
  proxy.on('proxyRes', (incoming: IncomingMessage, exchange: unknown) => {
    if (isExchange(exchange)) exchange.answer(incoming);
  });
  const onError = (error: NodeJS.ErrnoException, exchange: unknown) => {
    if (isExchange(exchange)) exchange.fail(error);
  };
  const web: unknown = proxy.web;
  if (typeof web !== 'function') throw new Error('http-proxy has no web()');
  return (exchange: Exchange) => web(exchange, exchange, onError);
};

/**
 * Follows no redirect, reads at most `maxBytes`, never takes longer than `timeoutMs` and its
 * extensions. Giving up early closes the connection, which is how the node learns of it.
 */
const createSend = (web: (exchange: Exchange) => void): Send => {
  return (request, done) => {
    const { body, maxBytes = defaultMaxBytes } = request;
    let isDone = false;
    let hasHead = false;
    let destroy = () => {};

    const settle = (answer: Answer) => {
      if (isDone) return;
      isDone = true;
      stopWaiting();
      if (answer.kind !== 'answered') destroy();
      done(answer);
    };

    const onLate = () => {
      const moreMs = hasHead ? 0 : (request.extendMs?.() ?? 0);
      if (moreMs > 0) stopWaiting = whenLate(moreMs, onLate);
      else settle({ kind: 'timeout' });
    };
    let stopWaiting = whenLate(request.timeoutMs, onLate);

    const exchange = {
      // read by http-proxy as the request:
      method: request.method,
      url: request.path,
      headers: request.headers,
      socket: livingSocket,
      pipe: (outgoing: { end: (text?: string) => void }) => outgoing.end(body),
      // … as the response:
      headersSent: false,
      finished: false,
      writableFinished: false,
      // … as both: its 'close' listener ends the outgoing request when the client has left.
      on: (event: string, listener: () => void) => {
        if (event === 'close') destroy = listener;
      },
      // and by our own listeners:
      fail: (error: NodeJS.ErrnoException) => settle(classify(error)),
      answer: (incoming: IncomingMessage) => {
        hasHead = true;
        collect(incoming, maxBytes, settle);
      },
    };
    try {
      web(exchange);
    } catch {
      // A header that cannot be sent; nothing left us.
      settle({ kind: 'malformed', detail: 'unsendable' });
    }
    return () => settle({ kind: 'aborted' });
  };
};

/** The ways to one node: `send` for its traffic, `sendAside` for probes and calls of the admin. */
export const createForward = (connect: Connect) => {
  const sockets = createSockets({ connect, keepAlive: true });
  // A connection of its own each time: a probe shall find out whether the node still accepts.
  const aside = createSockets({ connect, keepAlive: false });
  return {
    send: createSend(createWeb(sockets)),
    sendAside: createSend(createWeb(aside)),
    /** What is sent from now on goes over new connections. */
    renew: sockets.renew,
    close: () => {
      sockets.destroy();
      aside.destroy();
    },
  };
};
