/** A real server that misbehaves on purpose, and time that passes as soon as somebody sleeps. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Test } from 'tap';

export type Seen = { path: string; body: string; headers: IncomingMessage['headers'] };
export type Handler = (
  res: ServerResponse,
  seen: Seen,
  nth: number,
  req: IncomingMessage,
) => unknown;

const readBody = async (req: IncomingMessage): Promise<string> => {
  let body = '';
  for await (const chunk of req) body += chunk;
  return body;
};

/** `nth` of a request counts from 1. `seen` has every request whose body has arrived. */
export const startServer = (t: Test, handler: Handler) => {
  const seen: Seen[] = [];
  const server = createServer(async (req, res) => {
    const body = await readBody(req).catch(() => '');
    const request = { path: req.url ?? '', body, headers: req.headers };
    seen.push(request);
    await handler(res, request, seen.length, req);
  });
  t.teardown(
    () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  );
  return new Promise<{ base: string; seen: Seen[] }>((resolve) => {
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      const port = typeof address === 'object' && address !== null ? address.port : 0;
      resolve({ base: `http://127.0.0.1:${port}`, seen });
    });
  });
};

export const json = (
  res: ServerResponse,
  status: number,
  body: object,
  headers: Record<string, string> = {},
) => {
  res.writeHead(status, { 'content-type': 'application/json', ...headers });
  res.end(JSON.stringify(body));
};

/** In the form of a real one: account, session, generation, key, MAC. */
export const refreshTokenOf = (generation: number, session = 'u_1.s') =>
  `${session}.${generation}.k.mac`;

export const tokensOf = (nth: number, expiresIn = 600) => ({
  access_token: `access-${nth}`,
  token_type: 'Bearer',
  expires_in: expiresIn,
  refresh_token: refreshTokenOf(nth),
  session_id: 'session',
  user_id: 'u_1',
  scope: 'account',
});

export const createTime = (start = Date.UTC(2030, 0, 1)) => {
  const slept: number[] = [];
  let ms = start;
  return {
    slept,
    now: () => ms,
    advance: (by: number) => {
      ms += by;
    },
    sleep: async (by: number) => {
      slept.push(by);
      ms += by;
    },
  };
};

/** The error that a call ends with; undefined when it succeeds. */
export const failureOf = async (work: Promise<unknown>): Promise<unknown> => {
  try {
    await work;
    return undefined;
  } catch (error) {
    return error;
  }
};

/** Where nobody listens. */
export const goneAddress = (): Promise<string> =>
  new Promise((resolve) => {
    const server = createServer();
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      const port = typeof address === 'object' && address !== null ? address.port : 0;
      server.close(() => resolve(`http://127.0.0.1:${port}`));
    });
  });
