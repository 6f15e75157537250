import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { createConnectTo } from '../../nodes/connect.js';
import { type Answer, createForward } from '../../nodes/forward.js';
import { reply, startNode, startRaw } from './fake-node.js';
import { head, hostile } from './hostile.js';

const socketPath = (t: Test): string => {
  const dir = mkdtempSync(join(tmpdir(), 'fg-fwd-'));
  t.teardown(() => rmSync(dir, { recursive: true, force: true }));
  return join(dir, 'node.sock');
};

const openForward = (t: Test, path: string) => {
  const forward = createForward(createConnectTo()({ kind: 'unix', path }));
  t.teardown(forward.close);
  return forward;
};

const request = { method: 'POST', path: '/login', headers: { host: 'node' }, timeoutMs: 400 };

const send = (forward: ReturnType<typeof createForward>, changes: object = {}): Promise<Answer> =>
  new Promise((resolve) => {
    forward.send({ ...request, body: '{"u":"x"}', ...changes }, resolve);
  });

t.test('a request arrives whole, and its answer comes back', async (t) => {
  const path = socketPath(t);
  const node = await startNode(t, { path, handler: (res) => reply(res, 200, { a: 'ä' }) });
  const forward = openForward(t, path);
  const answer = await send(forward, {
    headers: { host: 'node', 'x-y': 'z' },
    body: '{"u":"ünï"}',
  });
  t.match(answer, { kind: 'answered', status: 200, body: { a: 'ä' } });
  t.match(answer, { load: { inflight: 1, serviceMs: 10, slots: 2 } });
  t.match(node.seen, [{ path: '/login', body: '{"u":"ünï"}', headers: { 'x-y': 'z' } }]);
  t.equal(node.seen[0]?.headers['content-length'], '13');
});

t.test('connections are kept and used again', async (t) => {
  const path = socketPath(t);
  const node = await startNode(t, { path, handler: (res) => reply(res, 200, {}) });
  const forward = openForward(t, path);
  for (let i = 0; i < 5; i++) await send(forward);
  t.equal(node.sockets.size, 1);
  await Promise.all([send(forward), send(forward), send(forward)]);
  t.equal(node.sockets.size, 3);
});

t.test('errors of the node are answers, with or without a body', async (t) => {
  const path = socketPath(t);
  const node = await startNode(t, { path, handler: (res) => reply(res, 503, { error: 'x' }) });
  const forward = openForward(t, path);
  t.match(await send(forward), { kind: 'answered', status: 503, body: { error: 'x' } });
  node.state.handler = (res) => res.writeHead(500).end();
  t.match(await send(forward), { kind: 'answered', status: 500, body: undefined });
});

t.test('nobody there: nothing was sent', async (t) => {
  const path = socketPath(t);
  const forward = openForward(t, path);
  t.same(await send(forward), { kind: 'unreached' }, 'no socket');
  writeFileSync(path, '');
  t.same(await send(forward), { kind: 'unreached' }, 'not a socket');
  rmSync(path);
  const node = await startNode(t, { path, handler: (res) => reply(res, 200, {}) });
  node.kill();
  t.same(await send(forward), { kind: 'unreached' }, 'nobody listens');
});

t.test('a caller who leaves ends the request at the node', async (t) => {
  const path = socketPath(t);
  const closed = new Promise<void>((resolve) => {
    void startNode(t, { path, handler: (res) => void res.on('close', resolve) });
  });
  await sleep(20);
  const forward = openForward(t, path);
  let abort = () => {};
  const answer = new Promise<Answer>((resolve) => {
    abort = forward.send({ ...request, body: '{}' }, resolve);
  });
  await sleep(30);
  abort();
  abort();
  t.same(await answer, { kind: 'aborted' });
  await closed;
});

t.test('while the node lives, time is extended; not once it has begun to answer', async (t) => {
  const path = socketPath(t);
  const node = await startNode(t, {
    path,
    handler: (res) => void setTimeout(() => reply(res, 200, {}), 300),
  });
  const forward = openForward(t, path);
  t.match(await send(forward, { timeoutMs: 100 }), { kind: 'timeout' });
  t.match(await send(forward, { timeoutMs: 100, extendMs: () => 150 }), { kind: 'answered' });
  node.state.handler = (res) => void res.writeHead(200).write('{');
  t.match(await send(forward, { timeoutMs: 100, extendMs: () => 10_000 }), { kind: 'timeout' });
});

t.test('an answer that came while this process stood still is no timeout', async (t) => {
  const path = socketPath(t);
  const code = `require('node:http')
    .createServer((req, res) => req.resume().on('end', () => setTimeout(() => res.end('{}'), 50)))
    .listen('${path}', () => process.send('up'))`;
  const node = spawn(process.execPath, ['-e', code], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    env: {},
  });
  t.teardown(() => node.kill());
  await once(node, 'message');
  const forward = openForward(t, path);
  t.match(await send(forward, { timeoutMs: 10_000 }), { kind: 'answered' });
  const answer = send(forward, { timeoutMs: 100 });
  await sleep(20);
  // After reading, so that the loop's next round begins with the timers.
  await new Promise((resolve) => setImmediate(resolve));
  for (const end = performance.now() + 1000; performance.now() < end; );
  t.match(await answer, { kind: 'answered' });
});

t.test('whatever a node answers ends in time, as an answer or a named failure', async (t) => {
  for (const [name, { behave, gives }] of Object.entries(hostile)) {
    const path = socketPath(t);
    const { sockets } = await startRaw(t, path, behave);
    const forward = openForward(t, path);
    const start = performance.now();
    t.match(await send(forward), gives, name);
    t.ok(performance.now() - start < 2000, `${name} ends in time`);
    forward.close();
    await sleep(20);
    t.equal(sockets.size, 0, `${name} leaves no connection`);
  }
});

t.test('an answer that nobody asked for does not reach the next request', async (t) => {
  const path = socketPath(t);
  const good = `${head(9)}{"for":1}`;
  const stray = `${head(9)}{"for":9}`;
  let requests = 0;
  await startRaw(t, path, (socket) => {
    socket.write(requests++ === 0 ? good + stray : `${head(9)}{"for":2}`);
    socket.on('data', () => socket.write(`${head(9)}{"for":2}`));
  });
  const forward = openForward(t, path);
  t.match(await send(forward), { body: { for: 1 } });
  await sleep(10);
  t.match(await send(forward), { body: { for: 2 } });
});
