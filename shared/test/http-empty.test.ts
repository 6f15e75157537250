/** Requests without a body: nothing is left to read, so their connection goes on whatever the answer. */
import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { connect } from 'node:net';
import t from 'tap';
import { AppError } from '../errors.js';
import type { Route } from '../http.js';
import { raw, serveRoutes } from './serve-routes.js';

const refuse: Route = {
  method: '*',
  path: '/refuse',
  body: 'none',
  handle: () => {
    throw new AppError('token_invalid');
  },
};
const refuseLater: Route = {
  method: '*',
  path: '/refuse-later',
  body: 'none',
  handle: async () => {
    await new Promise((resolve) => setImmediate(resolve));
    throw new AppError('store_unavailable');
  },
};

const ask = (method: string, path: string, head = '', body = '') =>
  `${method} ${path} HTTP/1.1\r\nHost: x\r\n${head}\r\n${body}`;

t.test('a refusal costs no connection when there is no body', async (t) => {
  const { port } = await serveRoutes(t, { routes: [refuse, refuseLater] });
  const requests = [
    ask('GET', '/refuse'),
    ask('POST', '/refuse', 'Content-Length: 0\r\n'),
    ask('GET', '/refuse-later'),
    ask('GET', '/none'),
    ask('GET', '/refuse', 'Host: y\r\n'),
    ask('TRACE', '/refuse'),
    ask('GET', '/none', 'Connection: close\r\n'),
  ];
  const answers = await raw(port, requests.join(''));
  t.strictSame(
    [...answers.matchAll(/HTTP\/1\.1 (\d+) /g)].map(([, status]) => Number(status)),
    [401, 401, 503, 404, 400, 405, 404],
    'all answered, in order, on one connection',
  );
  t.equal([...answers.matchAll(/^connection: close/gim)].length, 1, 'the last one asked for it');
});

t.test('a refusal closes the connection when a body was not read', async (t) => {
  const { port } = await serveRoutes(t, { routes: [refuse] });
  const bodies: [string, string, string][] = [
    ['its length is said', 'Content-Length: 2\r\n', '{}'],
    ['it comes in chunks', 'Transfer-Encoding: chunked\r\n', '2\r\n{}\r\n0\r\n\r\n'],
  ];
  for (const [name, head, body] of bodies)
    t.match(await raw(port, ask('POST', '/refuse', head, body)), /^connection: close\r$/im, name);
});

t.test('a route finds the stream of such a request at its end, of others not', async (t) => {
  const seen: boolean[] = [];
  const look: Route = {
    method: '*',
    path: '/look',
    body: 'none',
    handle: ({ req }) => {
      seen.push(req.readableEnded);
      return { status: 204 };
    },
  };
  const { port } = await serveRoutes(t, { routes: [look] });
  const requests = [
    ask('GET', '/look'),
    ask('POST', '/look', 'Content-Length: 2\r\n', '{}'),
    ask('GET', '/look', 'Connection: close\r\n'),
  ];
  await raw(port, requests.join(''));
  t.strictSame(seen, [true, false, true]);
});

t.test('a client that leaves is noticed as ever', async (t) => {
  let arrived: (of: { req: IncomingMessage; res: ServerResponse }) => void = () => {};
  const arrival = new Promise<{ req: IncomingMessage; res: ServerResponse }>((resolve) => {
    arrived = resolve;
  });
  const hang: Route = {
    method: 'GET',
    path: '/hang',
    body: 'none',
    handle: (ctx) => {
      arrived(ctx);
      return new Promise(() => {});
    },
  };
  const { port } = await serveRoutes(t, { routes: [hang] });
  const socket = connect(port, '127.0.0.1', () => socket.write(ask('GET', '/hang')));
  const { req, res } = await arrival;
  const left = once(res, 'close');
  socket.destroy();
  await left;
  t.ok(req.socket.destroyed);
});
