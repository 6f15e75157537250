/** What a broken or taken-over node may answer, and what one request to it must make of that. */
import type { Socket } from 'node:net';

export const head = (length: number | string, status = '200 OK', more = ''): string =>
  `HTTP/1.1 ${status}\r\nContent-Type: application/json\r\nContent-Length: ${length}\r\n${more}\r\n`;

const drip = (socket: Socket) => {
  socket.write(head(100));
  const timer = setInterval(() => socket.write('{'), 50);
  socket.on('close', () => clearInterval(timer));
};

export const hostile: Record<string, { behave: (socket: Socket) => void; gives: object }> = {
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
