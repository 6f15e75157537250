/** Whoever is cut off is counted, by the reason: nothing else would show it. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import { connect, type Socket } from 'node:net';
import t, { type Test } from 'tap';
import type { Route } from '../http.js';
import { createPipeline, type Refusal } from '../http-connections.js';
import { raw, serveRoutes } from './serve-routes.js';

const routes: Route[] = [
  { method: 'GET', path: '/', body: 'none', handle: () => ({ status: 204 }) },
];
const ask = 'GET / HTTP/1.1\r\nHost: x\r\n\r\n';

const open = async (t: Test, port: number): Promise<Socket> => {
  const socket = connect(port, '127.0.0.1');
  t.teardown(() => socket.destroy());
  await once(socket, 'connect');
  return socket;
};

/** How many of `count` more connections are closed without an answer. */
const cutOff = async (port: number, count: number): Promise<number> => {
  const answers = await Promise.all(
    Array.from({ length: count }, () => raw(port, ask, /204/).catch(() => '')),
  );
  return answers.filter((answer) => answer === '').length;
};

t.test('connections past the limit of all, and of one client', async (t) => {
  const cases = [
    ['all', { maxConnections: 2 }],
    ['client', { perClient: { max: 2, keyOf: () => 'somebody' } }],
    // Of both, the one that concerns everybody.
    ['all', { maxConnections: 2, perClient: { max: 2, keyOf: () => 'somebody' } }],
  ] as const;
  for (const [reason, limits] of cases) {
    const refused: Refusal[] = [];
    const { port, connections } = await serveRoutes(t, {
      routes,
      ...limits,
      onRefused: (why) => refused.push(why),
    });
    const held = [await open(t, port), await open(t, port)];
    t.equal(await cutOff(port, 3), 3);
    t.strictSame(refused, [reason, reason, reason]);
    t.equal(connections(), 2, 'those that were cut off are not among them');
    for (const socket of held) {
      socket.end();
      await once(socket, 'close');
    }
    t.equal(await cutOff(port, 1), 0);
    t.equal(refused.length, 3);
  }
});

t.test('a connection with too many requests at once', async (t) => {
  const refused: Refusal[] = [];
  const pipeline = createPipeline({ onRefused: (why) => refused.push(why) });
  let waiting = 0;
  // Answers nobody.
  const server = createServer(({ socket }) => {
    if (!socket.destroyed && pipeline.enter(socket)) waiting++;
  });
  t.teardown(() => server.closeAllConnections());
  t.teardown(() => server.close());
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  t.equal(await raw(port, ask.repeat(30)).catch(() => ''), '');
  t.equal(waiting, 16);
  t.strictSame(refused, ['pipeline'], 'one connection, counted once');
});

t.test('a connection that could not be accepted ends nothing, and is said once', async (t) => {
  const lines: object[] = [];
  const log = { error: () => {}, warn: (fields: object) => void lines.push(fields) };
  const { server, port } = await serveRoutes(t, { routes, log });
  const full = Object.assign(new Error('accept ENFILE'), { code: 'ENFILE', syscall: 'accept' });
  for (let i = 0; i < 3; i++) server.emit('error', full);
  t.match(await raw(port, ask, /204/), /204/);
  t.match(lines, [{ route: 'accept', err: { cause: full } }]);
});
