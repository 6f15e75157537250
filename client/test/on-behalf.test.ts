/** Calls that a server makes for its users, and refreshes that must not be repeated too late. */
import { isIP } from 'node:net';
import t, { type Test } from 'tap';
import { onBehalfOf } from '../arguments.js';
import { type ClientOptions, createClient } from '../client.js';
import { createTime, failureOf, type Handler, json, startServer, tokensOf } from './server.js';

const login = { username: 'alice', password: 'x' };
const settle = () => new Promise<void>((resolve) => setTimeout(resolve, 20));

const setUp = async (
  t: Test,
  handler: (time: ReturnType<typeof createTime>) => Handler,
  options: Partial<ClientOptions> = {},
) => {
  const time = createTime();
  const server = await startServer(t, handler(time));
  const { now, sleep } = time;
  const patient = { timeoutMs: 120_000, attemptTimeoutMs: 60_000 };
  const client = createClient({
    ...{ baseUrl: server.base, now, sleep, ...patient, random: () => 0.5 },
    ...options,
  });
  return { ...server, time, client };
};

t.test('every call tells whose it is, when it is told', async (t) => {
  const { client, seen } = await setUp(t, () => (res, { path }) => {
    if (path === '/v1/users') json(res, 201, { user_id: 'u_1', username: 'alice' });
    else json(res, 200, path.startsWith('/v1/sessions') ? { sessions: [] } : tokensOf(1));
  });
  const its = { clientAddress: '203.0.113.7', userAgent: 'Mozilla/5.0 (caf\u00e9)' };
  await client.register(login, its);
  await client.login(login, its);
  await client.refresh('r', its);
  await client.changePassword('a', { currentPassword: 'x', newPassword: 'y' }, its);
  await client.resetPassword({ resetToken: 'r', newPassword: 'y' }, its);
  await client.sessions.list('a', its);
  await client.sessions.endOthers('a', its);
  await client.logout('a', its);
  t.equal(seen.length, 8);
  for (const { path, headers } of seen) {
    t.equal(headers['x-forwarded-for'], its.clientAddress, path);
    t.equal(headers['user-agent'], its.userAgent, path);
  }
  await client.login(login, { clientAddress: undefined });
  t.equal(seen.at(-1)?.headers['x-forwarded-for'], undefined);
});

t.test('an address is one address, and nothing gets into the headers beside it', async (t) => {
  const good = ['1.2.3.4', '255.255.255.255', '0.0.0.0', '::', '::1', '2001:DB8::7'];
  const odd = ['::ffff:1.2.3.4', '1:2:3:4:5:6:7:8', 'fe80::1:2'];
  const bad = ['', '1.2.3', '1.2.3.4.', '01.2.3.4', '256.1.1.1', '1.2.3.4:80', '[::1]', ':::', '1'];
  const worse = ['1.2.3.4, 5.6.7.8', ' 1.2.3.4', '1.2.3.4\r\nx: y', 'unknown', '::1/64', '1::2::3'];
  for (const text of [...good, ...odd, ...bad, ...worse]) {
    const isTaken = [...good, ...odd].includes(text);
    t.equal(isIP(text) !== 0, isTaken, text);
    if (isTaken) t.strictSame(onBehalfOf({ clientAddress: text }), { 'x-forwarded-for': text });
    else t.throws(() => onBehalfOf({ clientAddress: text }), { code: 'bad_argument' }, text);
  }
  const { client, seen } = await setUp(t, () => (res) => json(res, 200, tokensOf(1)));
  for (const its of [
    { clientAddress: 'localhost' },
    { userAgent: 'x\r\ny: z' },
    { userAgent: '\u20ac' },
  ])
    t.match(await failureOf(client.login(login, its)), { kind: 'misuse', code: 'bad_argument' });
  t.equal(seen.length, 0);
});

t.test('a refresh is not repeated when the server may take that for a thief', async (t) => {
  const slow =
    (ms: number, answer: Handler) =>
    (time: ReturnType<typeof createTime>): Handler =>
    (res, seen, nth, req) => {
      if (nth > 1) return json(res, 200, tokensOf(nth));
      time.advance(ms);
      return answer(res, seen, nth, req);
    };
  const lost: Handler = (res) => res.destroy();
  const wait = (code: string, seconds: number): Handler => {
    const headers = { 'retry-after': `${seconds}` };
    return (res) => json(res, 503, { error: code }, headers);
  };
  const cases: [string, number, Handler, boolean][] = [
    ['lost soon', 4000, lost, true],
    ['lost late', 9500, lost, false],
    ['a pause that is short enough', 0, wait('store_unavailable', 5), true],
    ['a pause that is too long', 0, wait('store_unavailable', 20), false],
    ['a long pause, but nothing was begun', 0, wait('overloaded', 20), true],
    ['refused too late', 9500, (res) => json(res, 504, { error: 'timeout' }), false],
  ];
  for (const [name, ms, answer, isRepeated] of cases) {
    const { client, seen } = await setUp(t, slow(ms, answer));
    const error = await failureOf(client.refresh('r'));
    t.equal(error === undefined, isRepeated, name);
    t.equal(seen.length, isRepeated ? 2 : 1, name);
  }
  const { client, seen } = await setUp(t, slow(9500, lost));
  await client.logout('a');
  t.equal(seen.length, 2, 'others are repeated whenever');
});

t.test('a refresh that stood in line for too long is not repeated either', async (t) => {
  const clock = createTime();
  let inBetween: Promise<unknown> | undefined;
  const { client, seen } = await setUp(
    t,
    () =>
      async (res, { path }) => {
        if (path === '/v1/refresh') return res.destroy();
        await settle();
        clock.advance(10_000);
        return res.writeHead(200, { 'x-auth-user': 'u_1' }).end();
      },
    {
      ...{ maxConcurrent: 1, now: clock.now },
      sleep: async (ms) => {
        inBetween ??= client.verify('a');
        await clock.sleep(ms);
      },
    },
  );
  t.match(await failureOf(client.refresh('r')), { code: 'network_error', mayHaveRun: true });
  await inBetween;
  t.strictSame(
    seen.map(({ path }) => path),
    ['/v1/refresh', '/v1/verify'],
  );
});
