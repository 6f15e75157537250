/** A server that stands still while its clients go on: what they sent in time is served. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import type { HttpOptions, Route } from '../http.js';
import { serveRoutes } from './serve-routes.js';

const routes: Route[] = [
  { method: 'GET', path: '/', body: 'none', handle: () => ({ status: 204 }) },
];

/** As a process of its own: asks, and once more on the same connection when it is told to. */
const client = (library: string, port: number) => `
  const options = { port: ${port}, host: '127.0.0.1', rejectUnauthorized: false };
  const socket = require('node:${library}').connect(options);
  const ask = () => socket.write('GET / HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n');
  socket.once('${library === 'tls' ? 'secureConnect' : 'connect'}', ask);
  socket.on('data', (data) => process.send(String(data).slice(0, 12)));
  socket.on('error', (error) => process.send(error.code));
  socket.on('close', () => process.send('closed'));
  process.on('message', (ms) => setTimeout(ask, ms));`;

const startClient = (t: Test, library: string, port: number) => {
  const child = spawn(process.execPath, ['-e', client(library, port)], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    env: {},
  });
  t.teardown(() => child.kill());
  return child;
};

const fixture = (name: string) =>
  readFileSync(new URL(`../../gateway/test/fixtures/${name}.pem`, import.meta.url));
const ways: Record<string, Partial<HttpOptions>> = {
  net: {},
  tls: { tls: { cert: fixture('one.cert'), key: fixture('one.key') } },
};

for (const [library, options] of Object.entries(ways))
  t.test(`${library}: a request that came in the promised time, as we stood still`, async (t) => {
    // Node keeps a connection for a second longer than it says.
    const keepAliveMs = 1000;
    const { port } = await serveRoutes(t, { routes, keepAliveMs, ...options });
    const child = startClient(t, library, port);
    t.same(await once(child, 'message'), ['HTTP/1.1 204', undefined]);
    child.send(300);
    // It is told, and nothing else is due: the loop's next round begins with the timers.
    await sleep(100);
    await new Promise((resolve) => setImmediate(resolve));
    for (const end = performance.now() + 3 * keepAliveMs; performance.now() < end; );
    t.same(await once(child, 'message'), ['HTTP/1.1 204', undefined]);
    t.same(await once(child, 'message'), ['closed', undefined], 'idle, it ends in time');
  });
