/** Tokens that renew themselves, in virtual time, against servers that fail at the worst moment. */
import t, { type Test } from 'tap';
import { createClientCredentials } from '../client-credentials.js';
import { createTime, failureOf, type Handler, json, startServer, tokensOf } from './server.js';

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

t.test('an assertion is for the issuer, whichever address is called', async (t) => {
  const { base } = await startServer(t, issue);
  const audiences: string[] = [];
  const signAssertion = ({ audience }: { audience: string }) => `jwt-${audiences.push(audience)}`;
  const shared = { clientId: 'c_1', baseUrl: base, signAssertion };
  await createClientCredentials(shared).getToken();
  for (const issuer of ['https://auth.example', 'https://auth.example/', 'https://a.example/path'])
    await createClientCredentials({ ...shared, issuer }).getToken();
  t.strictSame(audiences, [
    `${base}/oauth/token`,
    ...['https://auth.example/oauth/token', 'https://auth.example/oauth/token'],
    'https://a.example/path/oauth/token',
  ]);
  t.throws(() => createClientCredentials({ ...shared, issuer: 'auth.example' }), {
    code: 'bad_argument',
  });
});
