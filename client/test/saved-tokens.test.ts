/** What is saved of a session, what is loaded, and what neither may break. */
import t, { type Test } from 'tap';
import { type ClientOptions, createClient } from '../client.js';
import { FloodgateError } from '../errors.js';
import type { GivenTokens, SessionTokens } from '../saved-tokens.js';
import { createUserSession, type UserSessionOptions } from '../user-session.js';
import {
  createTime,
  failureOf,
  type Handler,
  json,
  refreshTokenOf,
  startServer,
  tokensOf,
} from './server.js';

const first: GivenTokens = {
  ...{ accessToken: 'access-0', expiresIn: 600 },
  refreshToken: refreshTokenOf(0),
};
const issue: Handler = (res, _, nth) => json(res, 200, tokensOf(nth));
const sentIn = (seen: { body: string }[]) =>
  seen.map(({ body }) => Number(/\.s\.(\d+)\./.exec(body)?.[1]));
const never = () => new Promise<never>(() => {});
const isWithin = async (ms: number, work: Promise<unknown>) => {
  const from = performance.now();
  const error = await failureOf(work);
  return { error, isInTime: performance.now() - from < ms };
};

const setUp = async (t: Test, handler: Handler, options: Partial<ClientOptions> = {}) => {
  const time = createTime();
  const server = await startServer(t, handler);
  const { now, sleep } = time;
  const client = createClient({ baseUrl: server.base, now, sleep, ...options });
  const saved: SessionTokens[] = [];
  const onChange = (pair: SessionTokens) => void saved.push(pair);
  const open = (more: Partial<UserSessionOptions> = {}) =>
    createUserSession({ ...{ client, now, random: () => 0.5 }, ...first, onChange, ...more });
  return { ...server, time, client, saved, open };
};

t.test('the pair of a login is saved before it is handed out, and once', async (t) => {
  let isFull = true;
  const { seen, time, saved, open } = await setUp(t, issue);
  const session = open({
    onChange: (pair) => {
      if (isFull) throw new Error('disk full');
      saved.push(pair);
    },
  });
  t.match(await failureOf(session.getToken()), { code: 'not_saved' });
  isFull = false;
  time.advance(30_000);
  const got = await Promise.all([1, 2, 3].map(() => session.getToken()));
  t.strictSame(got, Array(3).fill('access-0'));
  await session.getToken();
  const expiresAt = time.now() + 570_000;
  t.strictSame(saved, [{ ...first, expiresAt, saved: true }]);
  t.equal(seen.length, 0);
});

t.test('what was saved is restored without saving it again', async (t) => {
  const { client, seen, time, saved, open } = await setUp(t, issue);
  await open(await client.login({ username: 'alice', password: 'x' })).getToken();
  const text = JSON.stringify(saved);
  const [stored]: SessionTokens[] = JSON.parse(text);
  time.advance(300_000);
  t.equal(await open(stored ?? {}).getToken(), 'access-1');
  t.equal(JSON.stringify(saved), text);
  t.equal(seen.length, 1, 'the login');
});

t.test('what `load` knows already is not saved again', async (t) => {
  const { saved, open } = await setUp(t, issue);
  t.equal(await open({ load: () => first }).getToken(), 'access-0');
  t.strictSame(saved, []);
});

t.test('who signs in does not become whoever was signed in before', async (t) => {
  const { seen, time, saved, open } = await setUp(t, issue);
  const others = { refreshToken: refreshTokenOf(7, 'u_2.s') };
  const session = open({ load: () => others });
  t.equal(await session.getToken(), 'access-0');
  t.strictSame(
    saved.map(({ refreshToken }) => refreshToken),
    [first.refreshToken],
  );
  time.advance(600_000);
  t.equal(await session.getToken(), 'access-1');
  t.strictSame(sentIn(seen), [0]);
});

t.test('only what is newer is taken over from the store', async (t) => {
  const { refreshToken } = first;
  const strange = [undefined, null, { refreshToken: 'no such form' }, { refreshToken }];
  for (const stored of [...strange, { refreshToken: refreshTokenOf(4) }]) {
    const { seen, time, open } = await setUp(t, issue);
    const session = open({ refreshToken: refreshTokenOf(5), saved: true, load: () => stored });
    time.advance(600_000);
    await session.getToken();
    t.strictSame(sentIn(seen), [5], JSON.stringify(stored));
  }
  const { seen, saved, open } = await setUp(t, issue);
  await open({ load: () => ({ refreshToken: refreshTokenOf(3) }) }).getToken();
  t.strictSame(sentIn(seen), [3], 'a first pair that is older than the saved one');
  t.strictSame(
    saved.map(({ accessToken }) => accessToken),
    ['access-1'],
  );
});

t.test('before a session is taken for ended, the store is asked for what goes on', async (t) => {
  const refuseFirst: Handler = (res, { body }, nth) =>
    body.includes('.s.0.')
      ? json(res, 401, { error: 'session_ended' })
      : json(res, 200, tokensOf(nth));
  const loads = [first, { refreshToken: refreshTokenOf(1) }];
  const { seen, time, open } = await setUp(t, refuseFirst);
  const session = open({ saved: true, load: () => loads.shift() });
  time.advance(600_000);
  t.equal(await session.getToken(), 'access-2');
  t.strictSame(sentIn(seen), [0, 1]);

  const others = { refreshToken: refreshTokenOf(1, 'u_2.s') };
  for (const second of [undefined, first, others]) {
    let asked = 0;
    const ended = await setUp(t, refuseFirst);
    const late = ended.open({ expiresIn: 0, load: () => (asked++ === 0 ? first : second) });
    t.match(await failureOf(late.getToken()), { code: 'session_ended' });
    ended.time.advance(3_600_000);
    t.match(await failureOf(late.getToken()), { code: 'session_ended' });
    t.equal(ended.seen.length, 1);
    t.equal(asked, 2);
  }
});

t.test('a store that cannot be asked says nothing about the end', async (t) => {
  let asked = 0;
  const { time, open } = await setUp(t, (res, { body }, nth) =>
    body.includes('.s.0.')
      ? json(res, 401, { error: 'token_invalid' })
      : json(res, 200, tokensOf(nth)),
  );
  const session = open({
    saved: true,
    load: () => {
      if (++asked === 2) throw new Error('locked');
      return asked < 2 ? first : { refreshToken: refreshTokenOf(1) };
    },
  });
  time.advance(600_000);
  const error = await failureOf(session.getToken());
  t.ok(error instanceof FloodgateError);
  t.match(error, { kind: 'unreachable', code: 'not_loaded', cause: { message: 'locked' } });
  time.advance(30_000);
  t.equal(await session.getToken(), 'access-2');
});

t.test('a family that has ended altogether is asked about twice at most', async (t) => {
  let generation = 0;
  const { seen, open } = await setUp(t, (res) => json(res, 401, { error: 'session_ended' }));
  const session = open({
    expiresIn: 0,
    load: () => ({ refreshToken: refreshTokenOf(generation++) }),
  });
  t.match(await failureOf(session.getToken()), { code: 'session_ended' });
  t.strictSame(sentIn(seen), [0, 1]);
});

t.test('a token that expired while nothing ran is not handed out', async (t) => {
  const { client, time, saved, open } = await setUp(t, issue);
  const tokens = await client.login({ username: 'alice', password: 'x' });
  t.equal(tokens.expiresAt, time.now() + 600_000);
  await open(tokens).getToken();
  time.advance(599_000);
  t.equal(await open(saved[0]).getToken(), 'access-1');
  time.advance(2000);
  t.equal(await open(saved[0]).getToken(), 'access-2');
  const { accessToken, expiresAt } = saved[1] ?? first;
  const lean = { accessToken, expiresAt, expiresIn: undefined, saved: true };
  t.equal(await open(lean).getToken(), 'access-2', 'expiresAt alone will do');
  const session = open({ ...lean, expiresIn: 600, expiresAt: time.now() + 3_600_000 });
  time.advance(601_000);
  t.equal(await session.getToken(), 'access-3', 'a clock that was ahead gives it no longer life');
});

t.test('a store that hangs ends no call late and loses no pair', async (t) => {
  const hanging = await setUp(t, issue, { timeoutMs: 60 });
  const noLoad = hanging.open({ load: never });
  const loading = await isWithin(3000, noLoad.getToken());
  t.ok(loading.isInTime);
  t.match(loading.error, { code: 'not_loaded', cause: { code: 'deadline_exceeded' } });

  const { client, seen, time, saved, open } = await setUp(t, issue);
  const impatient = { refresh: client.refresh, timeoutMs: 100 };
  let hangs = 1;
  const session = open({
    client: impatient,
    saved: true,
    onChange: (pair) => (hangs-- > 0 ? never() : void saved.push(pair)),
  });
  time.advance(600_000);
  const saving = await isWithin(3000, session.getToken());
  t.ok(saving.isInTime);
  t.match(saving.error, { name: 'FloodgateError', code: /^(not_saved|deadline_exceeded)$/ });
  while ((await failureOf(session.getToken())) !== undefined) time.advance(30_000);
  t.equal(await session.getToken(), 'access-1');
  t.strictSame(
    saved.map(({ accessToken }) => accessToken),
    ['access-1'],
  );
  t.equal(seen.length, 1, 'no second refresh');

  const replacing = open({ client: impatient, saved: true, onChange: never });
  const pair = { ...first, accessToken: 'fresh', refreshToken: refreshTokenOf(9) };
  const replaced = await isWithin(3000, replacing.replace(pair));
  t.ok(replaced.isInTime);
  t.match(replaced.error, { code: 'not_saved' });
});

t.test('a session renews on behalf of its user', async (t) => {
  const { seen, open } = await setUp(t, issue);
  const whose = { clientAddress: '2001:db8::7', userAgent: 'Mozilla/5.0' };
  await open({ ...whose, expiresIn: 0 }).getToken();
  t.match(seen[0]?.headers, { 'x-forwarded-for': '2001:db8::7', 'user-agent': 'Mozilla/5.0' });
});

t.test('a renewal that takes longer than its callers have is not begun again', async (t) => {
  let answer = () => {};
  const asked = new Promise<void>((resolve) => {
    answer = resolve;
  });
  const { client, seen, saved, open } = await setUp(t, async (res, given, nth, req) => {
    await asked;
    issue(res, given, nth, req);
  });
  const impatient = { refresh: client.refresh, timeoutMs: 60 };
  const session = open({ client: impatient, expiresIn: 0 });
  for (const _ of [1, 2])
    t.match(await failureOf(session.getToken()), { kind: 'deadline', code: 'deadline_exceeded' });
  answer();
  while (saved.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  t.equal(await session.getToken(), 'access-1');
  t.equal(seen.length, 1);
});
