/**
 * 2,000 malformed requests against a running gateway: no 500, no crash, no hang, an answer to each that is
 * complete, and the logs (see fleet.ts) stay one JSON object per line. Cases are generated from a seed that a failure names.
 */
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import t from 'tap';
import { password, startFleet, textOf } from './fleet.js';

const random = (seed: number) => () => {
  // mulberry32: enough for picking cases, and the same on every machine
  seed = (seed + 0x6d2b79f5) | 0;
  let x = Math.imul(seed ^ (seed >>> 15), 1 | seed);
  x = (x + Math.imul(x ^ (x >>> 7), 61 | x)) ^ x;
  return ((x ^ (x >>> 14)) >>> 0) / 4294967296;
};

const paths = [
  ...['/v1/login', '/v1/users', '/v1/refresh', '/v1/password', '/v1/verify', '/v1/logout'],
  ...['/v1/verify?scope=%ff', '/v1/verify?scope=account&scope=', '/v1/verify?headers=__proto__'],
  ...['/v1/verify/%00?headers=remote', '/v1/require/scope=account&client=%22/x', '/v1/require/'],
];
const methods = [
  'GET',
  'POST',
  'PUT',
  'DELETE',
  'TRACE',
  'PATCH',
  'OPTIONS',
  'BREW',
  'get',
  'P\0ST',
];
const odd = [
  '\0',
  '\r',
  '\n',
  '\u2028',
  '\x1b[31m',
  '"},{"',
  '{}',
  '%0d%0a',
  '\uFFFF',
  '😀',
  '../',
  '*',
];
const bodies = [
  '',
  '{',
  '[]',
  'null',
  '"x"',
  '{"a":1,"a":2}',
  '{"username":null}',
  '{"username":{"$gt":""}}',
  '{"username":"x","password":["y"]}',
  '{"__proto__":{"x":1},"username":"a","password":"b"}',
  `{"username":"${'x'.repeat(300)}","password":"y"}`,
  `${'['.repeat(5000)}`,
  '{"a":1e999}',
  '{"username":"\\ud800","password":"short"}',
  '{"username":"a\\u0000b","password":"short"}',
  `{"username":"a","password":"${'z'.repeat(5000)}"}`,
  '{"refresh_token":"a.b.c.d.e"}',
  '{"username":"a","password":"long enough","cookie":"true"}',
  `{"refresh_token":"${'a'.repeat(22)}.${'b'.repeat(22)}.1.x.${'c'.repeat(43)}"}`,
  `{"k":"${'x'.repeat(20_000)}"}`,
  '\xff\xfe',
  '\uFEFF{}',
  'username=x&password=y',
];
const headers = [
  'Content-Length: -1',
  'Content-Length: 99999999999999999999',
  'Content-Length: 5, 6',
  'Transfer-Encoding: chunked',
  'Transfer-Encoding: gzip, chunked',
  'Transfer-Encoding: xchunked',
  'Host: evil',
  'Authorization: Bearer',
  'Cookie: __Host-floodgate=',
  'Cookie: __Host-floodgate=a; __Host-floodgate=b',
  `Cookie: __Host-floodgate=${'u'.repeat(22)}.${'i'.repeat(22)}.${'s'.repeat(43)}`,
  'Origin: null',
  'Origin: http://[',
  'Authorization: Bearer a b',
  'Authorization: Basic YTpi',
  'Authorization: Bearer eyJhbGciOiJub25lIn0.e30.',
  'Content-Type: text/html',
  'Content-Type: application/json; charset=utf-16',
  'Expect: 200-ok',
  'Connection: upgrade',
  'X-Forwarded-For: 1.2.3.4',
  'X-Request-Id: "},{"',
  'Cookie: a=b',
  'Bad Header: x',
  ': empty',
  ` folded: x`,
  `X-Long: ${'y'.repeat(17_000)}`,
  'X-Null: a\0b',
  'Upgrade: h2c',
];

const pick = <T>(list: readonly T[], next: () => number): T => {
  const item = list[Math.floor(next() * list.length)];
  if (item === undefined) throw new Error('empty list');
  return item;
};

type Case = {
  bytes: Buffer;
  /** Nothing more is to come, whoever reads it: it must be answered. */
  isComplete: boolean;
};

const build = (next: () => number): Case => {
  const path = pick(paths, next) + (next() < 0.2 ? pick(odd, next) : '');
  const body =
    next() < 0.8
      ? pick(bodies, next)
      : Buffer.from(`{"username":"${pick(odd, next)}","password":"short"}`).toString();
  const lines = [`${next() < 0.7 ? 'POST' : pick(methods, next)} ${path} HTTP/1.1`];
  if (next() < 0.95) lines.push('Host: x');
  if (next() < 0.8) lines.push('Content-Type: application/json');
  const header = next() < 0.5 ? pick(headers, next) : undefined;
  if (header !== undefined) lines.push(header);
  if (next() < 0.05) for (let i = 0; i < 150; i++) lines.push(`X-${i}: y`);
  if (next() < 0.8) lines.push(`Content-Length: ${Buffer.byteLength(body)}`);
  lines.push('Connection: close');
  const bytes = Buffer.from(`${lines.join('\r\n')}\r\n\r\n${body}`);
  const isFlipped = next() < 0.1;
  if (isFlipped) bytes[Math.floor(next() * bytes.length)] = Math.floor(next() * 256);
  return { bytes, isComplete: !isFlipped && !header?.startsWith('Transfer-Encoding') };
};

/** Statuses seen on one connection; [] when it was closed without an answer. */
const send = (
  port: number,
  { bytes, isComplete }: Case,
): Promise<{ statuses: number[]; text: string }> =>
  new Promise((resolve) => {
    let text = '';
    const socket = connect(port, '127.0.0.1', () => socket.write(bytes));
    // A request that is not complete is the slow-client case, tested elsewhere: hang up.
    const timer = setTimeout(() => socket.destroy(), isComplete ? 20_000 : 3000);
    socket.on('data', (data) => {
      text += data.toString('latin1');
    });
    socket.on('error', () => {});
    socket.on('close', () => {
      clearTimeout(timer);
      const statuses = [...text.matchAll(/^HTTP\/1\.1 (\d{3})/gm)].map((match) => Number(match[1]));
      resolve({ statuses, text });
    });
  });

const residentMiB = (pid: number): number =>
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024;

// The machine may be slow; a hang is found by the bounds inside the tests.
t.setTimeout(300_000);

t.test('2,000 malformed requests', async (t) => {
  const seed = Number(process.env.HOSTILE_SEED ?? 20261121);
  const next = random(seed);
  const fleet = await startFleet(t, { nodes: 1, edges: 1, env: { LOGIN_FAILURE_FLOOR: '100ms' } });
  const [edge = 0] = fleet.edgePids();
  const pids = [edge, fleet.nodes[0]?.child.pid ?? 0];
  const before = pids.map(residentMiB);
  const bad: string[] = [];
  for (let i = 0; i < 2000; i += 40) {
    const batch = Array.from({ length: 40 }, () => build(next));
    const answers = await Promise.all(batch.map((each) => send(fleet.port, each)));
    for (const [k, { statuses, text }] of answers.entries()) {
      const { bytes, isComplete = false } = batch[k] ?? {};
      // Nothing here deserves 200: no password is long enough for an account.
      const isBad = statuses.some((status) => [200, 201, 500, 502].includes(status));
      const isUnanswered = isComplete && statuses.length === 0;
      if (isBad || isUnanswered)
        bad.push(`${bytes?.toString('latin1').slice(0, 300)} → ${text.slice(0, 300)}`);
    }
  }
  t.same(bad, [], `seed ${seed}`);
  t.same(fleet.edgePids(), [edge], 'the edge lives');
  for (const [at, pid] of pids.entries())
    t.ok(
      residentMiB(pid) - (before[at] ?? 0) < 80,
      `memory: ${before[at]} → ${residentMiB(pid)} MiB`,
    );
  await fleet.importUser(
    'after',
    (await import('@node-rs/bcrypt')).hashSync(password, { cost: 4 }),
  );
  const login = await fleet.call('POST', '/v1/login', { username: 'after', password });
  t.ok([200, 429].includes(login.status), 'it still works (or the limit holds)');
  t.type(textOf(login, 'request_id'), 'string');
});
