import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { type Answer, createLine } from '../../nodes/forward.js';
import { reply, startNode, startRaw } from './fake-node.js';

const socketPath = (t: Test): string => {
  const dir = mkdtempSync(join(tmpdir(), 'fg-fwd-'));
  t.teardown(() => rmSync(dir, { recursive: true, force: true }));
  return join(dir, 'node.sock');
};

const openLine = (t: Test, path: string) => {
  const line = createLine(path);
  t.teardown(line.close);
  return line;
};

const request = { method: 'POST', path: '/login', headers: { host: 'node' }, timeoutMs: 400 };

const send = (line: ReturnType<typeof createLine>, changes: object = {}): Promise<Answer> =>
  new Promise((resolve) => {
    line.send({ ...request, body: '{"u":"x"}', ...changes }, resolve);
  });

t.test('a request arrives whole, and its answer comes back', async (t) => {
  const path = socketPath(t);
  const node = await startNode(t, { path, handler: (res) => reply(res, 200, { a: 'ä' }) });
  const line = openLine(t, path);
  const answer = await send(line, { headers: { host: 'node', 'x-y': 'z' }, body: '{"u":"ünï"}' });
  t.match(answer, { kind: 'answered', status: 200, body: { a: 'ä' } });
  t.match(answer, { load: { inflight: 1, serviceMs: 10, slots: 2 } });
  t.match(node.seen, [{ path: '/login', body: '{"u":"ünï"}', headers: { 'x-y': 'z' } }]);
  t.equal(node.seen[0]?.headers['content-length'], '13');
});

t.test('connections are kept and used again', async (t) => {
  const path = socketPath(t);
  const node = await startNode(t, { path, handler: (res) => reply(res, 200, {}) });
  const line = openLine(t, path);
  for (let i = 0; i < 5; i++) await send(line);
  t.equal(node.sockets.size, 1);
  await Promise.all([send(line), send(line), send(line)]);
  t.equal(node.sockets.size, 3);
});

t.test('errors of the node are answers, with or without a body', async (t) => {
  const path = socketPath(t);
  const node = await startNode(t, { path, handler: (res) => reply(res, 503, { error: 'x' }) });
  const line = openLine(t, path);
  t.match(await send(line), { kind: 'answered', status: 503, body: { error: 'x' } });
  node.state.handler = (res) => res.writeHead(500).end();
  t.match(await send(line), { kind: 'answered', status: 500, body: undefined });
});

t.test('nobody there: nothing was sent', async (t) => {
  const path = socketPath(t);
  const line = openLine(t, path);
  t.same(await send(line), { kind: 'unreached' }, 'no socket');
  writeFileSync(path, '');
  t.same(await send(line), { kind: 'unreached' }, 'not a socket');
  rmSync(path);
  const node = await startNode(t, { path, handler: (res) => reply(res, 200, {}) });
  node.kill();
  t.same(await send(line), { kind: 'unreached' }, 'nobody listens');
});

t.test('a caller who leaves ends the request at the node', async (t) => {
  const path = socketPath(t);
  const closed = new Promise<void>((resolve) => {
    void startNode(t, { path, handler: (res) => void res.on('close', resolve) });
  });
  await sleep(20);
  const line = openLine(t, path);
  let abort = () => {};
  const answer = new Promise<Answer>((resolve) => {
    abort = line.send({ ...request, body: '{}' }, resolve);
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
  const line = openLine(t, path);
  t.match(await send(line, { timeoutMs: 100 }), { kind: 'timeout' });
  t.match(await send(line, { timeoutMs: 100, extendMs: () => 150 }), { kind: 'answered' });
  node.state.handler = (res) => void res.writeHead(200).write('{');
  t.match(await send(line, { timeoutMs: 100, extendMs: () => 10_000 }), { kind: 'timeout' });
});

const head = (length: number | string, status = '200 OK', more = ''): string =>
  `HTTP/1.1 ${status}\r\nContent-Type: application/json\r\nContent-Length: ${length}\r\n${more}\r\n`;

const drip = (socket: Socket) => {
  socket.write(head(100));
  const timer = setInterval(() => socket.write('{'), 50);
  socket.on('close', () => clearInterval(timer));
};

const hostile: Record<string, { behave: (socket: Socket) => void; gives: object }> = {
  'nothing at all': { behave: () => {}, gives: { kind: 'timeout' } },
  'closes at once': { behave: (s) => s.end(), gives: { kind: 'died' } },
  'breaks at once': { behave: (s) => s.destroy(), gives: { kind: 'died' } },
  'empty 200': { behave: (s) => s.write(head(0)), gives: { status: 200, body: undefined } },
  'half JSON': { behave: (s) => s.write(`${head(4)}{"a"`), gives: { kind: 'malformed' } },
  HTML: { behave: (s) => s.write(`${head(13)}<html></html>`), gives: { kind: 'malformed' } },
  'not HTTP': { behave: (s) => s.write('SSH-2.0-x\r\n\r\n'), gives: { kind: 'malformed' } },
  '204': {
    behave: (s) => s.write('HTTP/1.1 204 No Content\r\n\r\n'),
    gives: { status: 204, body: undefined },
  },
  'a redirect': {
    behave: (s) => s.write(`${head(2, '302 Found', 'Location: /login\r\n')}{}`),
    gives: { status: 302 },
  },
  'a protocol switch': {
    behave: (s) =>
      s.write('HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\nrest'),
    gives: { kind: 'timeout' },
  },
  'a flood of 1xx': {
    behave: (s) => {
      const timer = setInterval(() => s.write('HTTP/1.1 102 Processing\r\n\r\n'.repeat(50)), 5);
      s.on('close', () => clearInterval(timer));
    },
    gives: { kind: 'timeout' },
  },
  'a flood of headers': {
    behave: (s) => s.write(`HTTP/1.1 200 OK\r\n${'x-a: b\r\n'.repeat(20_000)}\r\n`),
    gives: { kind: 'malformed' },
  },
  '10 MB': {
    behave: (s) => s.write(`${head(10_000_000)}"${'a'.repeat(9_999_998)}"`),
    gives: { kind: 'malformed' },
  },
  '10 MB in chunks': {
    behave: (s) => {
      s.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n');
      s.write(`10000\r\n${'a'.repeat(65_536)}\r\n`.repeat(150));
    },
    gives: { kind: 'malformed' },
  },
  'cut in the middle': { behave: (s) => s.end(`${head(100)}{"a":1`), gives: { kind: 'died' } },
  'a chunk cut': {
    behave: (s) => s.end('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n20\r\n{"a"'),
    gives: { kind: 'died' },
  },
  'a byte now and then': { behave: drip, gives: { kind: 'timeout' } },
  'two lengths': {
    behave: (s) => s.write(`${head('2\r\nContent-Length: 3')}{}`),
    gives: { kind: 'malformed' },
  },
};

t.test('whatever a node answers ends in time, as an answer or a named failure', async (t) => {
  for (const [name, { behave, gives }] of Object.entries(hostile)) {
    const path = socketPath(t);
    const { sockets } = await startRaw(t, path, behave);
    const line = openLine(t, path);
    const start = performance.now();
    t.match(await send(line), gives, name);
    t.ok(performance.now() - start < 1000, `${name} ends in time`);
    line.close();
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
  const line = openLine(t, path);
  t.match(await send(line), { body: { for: 1 } });
  await sleep(10);
  t.match(await send(line), { body: { for: 2 } });
});
