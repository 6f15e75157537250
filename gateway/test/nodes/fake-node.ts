/** A worker node that behaves as the test says, on a real unix socket. */
import { rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createTcp, type Socket } from 'node:net';
import { createCallerCheck, headers, signVerdict, type Verdict } from '../../../shared/protocol.js';

type Test = { teardown(fn: () => unknown): void };
export type Seen = { path: string; headers: IncomingMessage['headers']; body: string };
export type Handler = (res: ServerResponse, seen: Seen) => void;

export const secret = 'the secret of the cluster';

export const verdictFor = (seen: Seen, bootId: string, verdict: Partial<Verdict> = {}): object =>
  signVerdict(secret, bootId, {
    attempt_id: String(seen.headers[headers.attempt]),
    outcome: 'ok',
    user_id: 'u_1',
    gen: 1,
    scopes: 'account',
    ...verdict,
  });

export const reply = (res: ServerResponse, status: number, body: object): void => {
  res.writeHead(status, { 'content-type': 'application/json', [headers.load]: '1 0 10.0 2' });
  res.end(JSON.stringify(body));
};

export const refusal = (waitMs: number): object => ({
  error: 'overloaded',
  started: false,
  wait_ms: waitMs,
});

const readAll = async (req: IncomingMessage): Promise<string> => {
  let text = '';
  for await (const chunk of req) text += String(chunk);
  return text;
};

/** Serves `handler` for password work, and a self-test that can be switched off. */
export const startNode = async (
  t: Test,
  options: { path: string; bootId?: string; handler?: Handler; strict?: boolean },
) => {
  const { path, bootId = 'boot-1' } = options;
  const answerWell: Handler = (res, seen) => reply(res, 200, verdictFor(seen, bootId));
  const state = { handler: options.handler ?? answerWell, isWell: true, probes: 0 };
  const seen: Seen[] = [];
  const sockets = new Set<Socket>();
  const isCaller = createCallerCheck([secret], bootId);
  const server = createServer(async (req, res) => {
    try {
      const request = { path: req.url ?? '', headers: req.headers, body: await readAll(req) };
      if (request.path === '/selftest') {
        state.probes++;
        if (state.isWell) reply(res, 200, { ok: true });
        return;
      }
      seen.push(request);
      if (options.strict && !isCaller(req.headers[headers.caller]))
        return reply(res, 401, { error: 'not_authenticated' });
      state.handler(res, request);
    } catch {
      // The edge has gone.
    }
  });
  server.keepAliveTimeout = 65_000;
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => {});
  });
  const listen = () => {
    rmSync(path, { force: true });
    return new Promise<void>((resolve) => server.listen(path, resolve));
  };
  /** As kill -9 would: connections break, and nobody listens. */
  const kill = () => {
    server.close();
    for (const socket of sockets) socket.destroy();
  };
  await listen();
  t.teardown(kill);
  return { path, bootId, seen, sockets, state, kill, listen };
};

/** Answers every request with these bytes, and then does what `then` says. */
export const startRaw = async (
  t: Test,
  path: string,
  behave: (socket: Socket) => void,
): Promise<{ sockets: Set<Socket> }> => {
  const sockets = new Set<Socket>();
  const server = createTcp((socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => {});
    socket.once('data', () => behave(socket));
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  t.teardown(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return { sockets };
};
