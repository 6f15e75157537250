/** Tokens that renew themselves, in virtual time, against servers that fail at the worst moment. */
import t, { type Test } from 'tap';
import { createClient } from '../client.js';
import { createClientCredentials } from '../client-credentials.js';
import { FloodgateError } from '../errors.js';
import { createUserSession, type SessionTokens } from '../user-session.js';
import { createTime, failureOf, type Handler, json, startServer, tokensOf } from './server.js';

type Time = ReturnType<typeof createTime>;

const program = { clientId: 'c_1', clientSecret: 'MARKER-secret', random: () => 0.5 };

const setUp = async (t: Test, handler: Handler) => {
  const time = createTime();
  const server = await startServer(t, handler);
  const { now, sleep } = time;
  const source = createClientCredentials({ ...program, baseUrl: server.base, now, sleep });
  return { ...server, time, source };
};

/** Until nothing moves any more: background work has real requests in it. */
const settle = () => new Promise<void>((resolve) => setTimeout(resolve, 50));

const issue: Handler = (res, _, nth) => json(res, 200, tokensOf(nth));
const down: Handler = (res) => json(res, 503, { error: 'store_unavailable' });

t.test('one request serves all who ask at once, and all who ask later', async (t) => {
  const { source, seen } = await setUp(t, issue);
  const tokens = await Promise.all(Array.from({ length: 50 }, () => source.getToken()));
  t.strictSame(new Set(tokens), new Set(['access-1']));
  t.equal(await source.getToken(), 'access-1');
  t.equal(seen.length, 1);
  t.equal(seen[0]?.path, '/oauth/token');
  t.equal(seen[0]?.body, 'grant_type=client_credentials');
  const expected = Buffer.from('c_1:MARKER-secret').toString('base64');
  t.equal(seen[0]?.headers.authorization, `Basic ${expected}`);
});

t.test('in its last minute a token is renewed while it still serves', async (t) => {
  const { source, seen, time } = await setUp(t, issue);
  await source.getToken();
  time.advance(500_000);
  t.equal(await source.getToken(), 'access-1');
  t.equal(seen.length, 1);
  time.advance(40_000);
  const tokens = await Promise.all(Array.from({ length: 20 }, () => source.getToken()));
  t.strictSame(new Set(tokens), new Set(['access-1']), 'nobody waits');
  while ((await source.getToken()) === 'access-1') await settle();
  t.equal(seen.length, 2);
  t.equal(await source.getToken(), 'access-2');
});

t.test('an expired token is never handed out, however the server fails', async (t) => {
  const { source, seen, time } = await setUp(t, (res, given, nth, req) =>
    nth === 1 ? json(res, 200, tokensOf(nth)) : down(res, given, nth, req),
  );
  const expiresAt = time.now() + 600_000;
  await source.getToken();
  time.advance(520_000);
  let served = 0;
  while (time.now() < expiresAt + 60_000) {
    const at = time.now();
    const error = await failureOf(source.getToken());
    if (error === undefined) {
      served++;
      t.ok(at < expiresAt);
    } else {
      t.ok(at >= expiresAt);
      t.match(error, { kind: 'unavailable', code: 'store_unavailable' });
    }
    await settle();
    time.advance(2000);
  }
  t.ok(served > 20);
  t.ok(seen.length < 40, `${seen.length} requests in 140 s`);
});

t.test('after a failure, whoever asks too soon gets the same error and asks nobody', async (t) => {
  let isDown = true;
  const { source, seen, time } = await setUp(t, (res, _, nth) => {
    if (isDown) json(res, 401, { error: 'invalid_client' });
    else json(res, 200, tokensOf(nth));
  });
  for (let i = 0; i < 20; i++)
    t.match(await failureOf(source.getToken()), { kind: 'rejected', code: 'invalid_client' });
  t.equal(seen.length, 1);
  isDown = false;
  time.advance(30_000);
  t.equal(await source.getToken(), 'access-2');
});

t.test('a short-lived token is used for most of its life', async (t) => {
  const { source, seen, time } = await setUp(t, (res, _, nth) => json(res, 200, tokensOf(nth, 5)));
  for (let i = 0; i < 3; i++) {
    t.equal(await source.getToken(), 'access-1');
    time.advance(1000);
  }
  t.equal(seen.length, 1);
  time.advance(1000);
  t.equal(await source.getToken(), 'access-1');
  while ((await source.getToken()) === 'access-1') await settle();
  t.equal(await source.getToken(), 'access-2');
});

t.test('a token that was refused elsewhere is not handed out again', async (t) => {
  const { source, time } = await setUp(t, issue);
  const token = await source.getToken();
  source.discard(token);
  t.equal(await source.getToken(), token, 'a brand-new one is');
  time.advance(10_000);
  source.discard('another');
  t.equal(await source.getToken(), token);
  source.discard(token);
  t.equal(await source.getToken(), 'access-2');
});

t.test('who stops waiting does not stop the renewal', async (t) => {
  const { source, seen } = await setUp(t, issue);
  const controller = new AbortController();
  const leaving = failureOf(source.getToken({ signal: controller.signal }));
  const staying = source.getToken();
  controller.abort();
  t.match(await leaving, { code: 'aborted' });
  t.equal(await staying, 'access-1');
  t.equal(seen.length, 1);
});

t.test('an assertion is signed for each attempt', async (t) => {
  const time = createTime();
  const { base, seen } = await startServer(t, (res, given, nth, req) =>
    nth < 3 ? down(res, given, nth, req) : json(res, 200, tokensOf(nth)),
  );
  const asked: object[] = [];
  const { now, sleep } = time;
  const shared = { clientId: 'c_1', scope: 'a b', now, sleep };
  const source = createClientCredentials({
    ...shared,
    tokenEndpoint: `${base}/token`,
    signAssertion: (about) => `jwt-${asked.push(about)}`,
  });
  t.equal(await source.getToken(), 'access-3');
  t.strictSame(asked[0], { clientId: 'c_1', audience: `${base}/token` });
  const forms = seen.map(({ body }) => Object.fromEntries(new URLSearchParams(body)));
  t.strictSame(
    forms.map((form) => form.client_assertion),
    ['jwt-1', 'jwt-2', 'jwt-3'],
  );
  t.match(forms[0], { grant_type: 'client_credentials', scope: 'a b' });
  t.equal(seen[0]?.headers.authorization, undefined);
  const broken = createClientCredentials({
    ...shared,
    baseUrl: base,
    signAssertion: () => Promise.reject(new Error('no key')),
  });
  t.match(await failureOf(broken.getToken()), { code: 'not_signed', cause: { message: 'no key' } });
});

/** Rotates like the real one: a repeat of the last token gets the same successor. */
const createFamily = () => {
  let generation = 0;
  return {
    generation: () => generation,
    rotate: (body: string) => {
      const sent = Number(/refresh-(\d+)/.exec(body)?.[1]);
      if (sent === generation) generation++;
      return sent === generation - 1 ? tokensOf(generation) : undefined;
    },
  };
};

const openSession = async (
  t: Test,
  handler: Handler,
  options: {
    onChange?: (tokens: SessionTokens) => Promise<void> | void;
    load?: () => SessionTokens | Promise<SessionTokens>;
  } = {},
) => {
  const time: Time = createTime();
  const server = await startServer(t, handler);
  const { now, sleep } = time;
  const saved: SessionTokens[] = [];
  const client = createClient({ baseUrl: server.base, now, sleep });
  const session = createUserSession({
    ...{ client, now, refreshToken: 'refresh-0', accessToken: 'access-0', expiresIn: 600 },
    onChange: options.onChange ?? ((tokens) => void saved.push(tokens)),
    ...(options.load ? { load: options.load } : {}),
  });
  return { ...server, time, session, saved };
};

t.test('a lost answer is asked for again with the same token, and saved once', async (t) => {
  const family = createFamily();
  const { session, seen, saved, time } = await openSession(t, (res, { body }, nth) => {
    const tokens = family.rotate(body);
    if (nth === 1) res.destroy();
    else if (tokens) json(res, 200, tokens);
    else json(res, 401, { error: 'session_ended' });
  });
  t.equal(await session.getToken(), 'access-0');
  time.advance(600_000);
  const tokens = await Promise.all(Array.from({ length: 50 }, () => session.getToken()));
  t.strictSame(new Set(tokens), new Set(['access-1']));
  t.strictSame(
    seen.map(({ body }) => body),
    ['{"refresh_token":"refresh-0"}', '{"refresh_token":"refresh-0"}'],
  );
  t.strictSame(
    saved.map(({ refreshToken }) => refreshToken),
    ['refresh-1'],
  );
  time.advance(600_000);
  t.equal(await session.getToken(), 'access-2');
});

t.test('the end of a session is told to everybody, and nobody asks again', async (t) => {
  for (const code of ['session_ended', 'token_invalid']) {
    const { session, seen, time } = await openSession(t, (res) => json(res, 401, { error: code }));
    time.advance(600_000);
    const errors = await Promise.all([1, 2, 3].map(() => failureOf(session.getToken())));
    for (const error of errors) t.match(error, { kind: 'rejected', code, status: 401 });
    time.advance(3_600_000);
    t.match(await failureOf(session.getToken()), { code });
    t.equal(seen.length, 1);
  }
});

t.test('our trouble is not the end of a session', async (t) => {
  const { session, time } = await openSession(t, (res, given, nth, req) =>
    nth <= 3 ? down(res, given, nth, req) : json(res, 200, tokensOf(nth)),
  );
  time.advance(600_000);
  t.match(await failureOf(session.getToken()), { code: 'store_unavailable' });
  time.advance(60_000);
  t.equal(await session.getToken(), 'access-4');
});

t.test('tokens are saved before anybody sees them, and saving is tried again', async (t) => {
  const events: string[] = [];
  const { session, seen, time } = await openSession(t, issue, {
    onChange: async ({ refreshToken }) => {
      events.push(`save ${refreshToken}`);
      await settle();
      if (events.length === 1) throw new Error('disk full');
      events.push('saved');
    },
  });
  time.advance(600_000);
  const error = await failureOf(session.getToken());
  t.match(error, { kind: 'not_saved', cause: { message: 'disk full' } });
  time.advance(30_000);
  events.push(await session.getToken());
  t.strictSame(events, ['save refresh-1', 'save refresh-1', 'saved', 'access-1']);
  t.equal(seen.length, 1, 'no second refresh');
});

t.test('tokens of a password change win over a refresh that was under way', async (t) => {
  let answer = () => {};
  const asked = new Promise<void>((resolve) => {
    answer = resolve;
  });
  const { session, saved, seen, time } = await openSession(t, async (res) => {
    await asked;
    json(res, 401, { error: 'session_ended' });
  });
  time.advance(590_000);
  t.equal(await session.getToken(), 'access-0');
  while (seen.length === 0) await settle();
  await session.replace({ accessToken: 'fresh', expiresIn: 600, refreshToken: 'refresh-9' });
  answer();
  await settle();
  t.equal(await session.getToken(), 'fresh');
  t.equal(saved.at(-1)?.refreshToken, 'refresh-9');
});

t.test('tokens of a password change win over an end that was told just before', async (t) => {
  const { session, time } = await openSession(t, (res) =>
    json(res, 401, { error: 'session_ended' }),
  );
  time.advance(600_000);
  t.match(await failureOf(session.getToken()), { code: 'session_ended' });
  await session.replace({ accessToken: 'fresh', expiresIn: 600, refreshToken: 'refresh-9' });
  t.equal(await session.getToken(), 'fresh');
});

t.test('tokens of a password change win over what was being loaded', async (t) => {
  let loaded = () => {};
  const loading = new Promise<void>((resolve) => {
    loaded = resolve;
  });
  const { session, seen, time } = await openSession(t, issue, {
    load: async () => {
      await loading;
      return { accessToken: 'old', expiresIn: 600, refreshToken: 'refresh-0' };
    },
  });
  time.advance(600_000);
  const got = session.getToken();
  await settle();
  await session.replace({ accessToken: 'fresh', expiresIn: 600, refreshToken: 'refresh-9' });
  loaded();
  t.equal(await got, 'fresh');
  t.equal(seen.length, 0, 'the old one is not presented');
});

t.test('what another tab has saved is what the next refresh goes on from', async (t) => {
  const { session, seen, time } = await openSession(t, issue, {
    load: () => ({ accessToken: 'other', expiresIn: 600, refreshToken: 'refresh-7' }),
  });
  time.advance(600_000);
  await session.getToken();
  t.equal(seen[0]?.body, '{"refresh_token":"refresh-7"}');
});

t.test('errors are the typed ones', async (t) => {
  const { session, time } = await openSession(t, (res) => void res.destroy());
  time.advance(600_000);
  t.ok((await failureOf(session.getToken())) instanceof FloodgateError);
});
