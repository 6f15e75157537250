/**
 * One request to one node and what became of it: the one door to http-proxy, on kept-alive unix
 * sockets. The inner request is built from parsed values, so http-proxy gets no request and response
 * of a client but one small stand-in for both, with only what its code touches (read 1.23.3 before
 * changing versions): a real pair of streams would cost more than the rest of the forward.
 * Nothing of the node's answer is believed here beyond its framing and JSON; `outcome` judges it.
 */
import { Agent, type IncomingMessage } from 'node:http';
import { createProxyServer } from 'http-proxy';
import { headers as names, parseLoad, type Load as Report } from '../../shared/protocol.js';

/** What became of an attempt. `unreached`: no byte left us. `died`: its fate is unknown. */
export type Answer =
  | { kind: 'answered'; status: number; body: unknown; load: Report | undefined }
  | { kind: 'malformed'; detail: string }
  | { kind: 'unreached' | 'died' | 'timeout' | 'aborted' };

export type Line = ReturnType<typeof createLine>;
export type Forward = ReturnType<typeof createForward>;
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
/** Below the nodes' keep-alive of 65 s, or they would close what we are about to use. */
const idleMs = 30_000;
const unreachedCodes = ['ECONNREFUSED', 'ENOENT', 'EAGAIN', 'EACCES', 'ENOTSOCK'];

/** How a node is reached; `agent` is for its traffic, probes and calls have one of their own. */
export const createLine = (socketPath: string) => {
  const target = { host: 'node', port: 80, socketPath };
  // An empty server name spares the agent the search for one (there is no TLS) with each request.
  const settings = { keepAlive: true, timeout: idleMs, maxFreeSockets: 64, servername: '' };
  const agent = new Agent(settings);
  const sideAgent = new Agent({ keepAlive: false, maxSockets: 8 });
  return {
    // toProxy: the path is ours and well-formed, so http-proxy need not parse it as a URL.
    main: { target, agent, toProxy: true },
    side: { target, agent: sideAgent, toProxy: true },
    close: () => {
      agent.destroy();
      sideAgent.destroy();
    },
  };
};

type Route = Line['main'];

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

const livingSocket = { destroyed: false };

export const createForward = () => {
  const proxy = createProxyServer({ selfHandleResponse: true });
  // Callbacks are per exchange; without listeners http-proxy would throw.
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

  /**
   * Sends, and calls `done` exactly once. Returns how to give up early; the node then sees the
   * connection close. Follows no redirect, reads at most `maxBytes`, never takes longer than
   * `timeoutMs` and its extensions.
   */
  const start = (route: Route, request: Request, done: (answer: Answer) => void): (() => void) => {
    const { body, maxBytes = defaultMaxBytes } = request;
    let isDone = false;
    let hasHead = false;
    let destroy = () => {};

    const settle = (answer: Answer) => {
      if (isDone) return;
      isDone = true;
      clearTimeout(timer);
      if (answer.kind !== 'answered') destroy();
      done(answer);
    };

    const onTime = () => {
      const moreMs = hasHead ? 0 : (request.extendMs?.() ?? 0);
      if (moreMs > 0) timer = setTimeout(onTime, moreMs);
      else settle({ kind: 'timeout' });
    };
    let timer = setTimeout(onTime, request.timeoutMs);

    const answer = (incoming: IncomingMessage) => {
      hasHead = true;
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
      answer,
      fail: (error: NodeJS.ErrnoException) => settle(classify(error)),
    };
    try {
      web(exchange, exchange, route, onError);
    } catch {
      // A header that cannot be sent; nothing left us.
      settle({ kind: 'malformed', detail: 'unsendable' });
    }
    return () => settle({ kind: 'aborted' });
  };

  return { start };
};
