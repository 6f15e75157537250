/** The main job, end to end, as a person would do it with curl. */
import argon2 from '@node-rs/argon2';
import t from 'tap';
import { decided, password, startFleet as start, textOf, until } from './fleet.js';

// The machine may be slow; a hang is found by the bounds inside the tests.
t.setTimeout(300_000);

/** Its calls ask again while a busy machine decides nothing. */
const startFleet: typeof start = async (...args) => {
  const fleet = await start(...args);
  const { call, login } = fleet;
  const patient: typeof call = (...request) => decided(() => call(...request));
  return {
    ...fleet,
    call: patient,
    post: (path, body, token) => patient('POST', path, body, token),
    verify: (token) => patient('GET', '/v1/verify', undefined, token),
    login: (...who) => decided(() => login(...who)),
  };
};

/** Starting one costs more than most tests on it. */
const open = await startFleet(t);
const closed = await startFleet(t, {
  env: { REGISTRATION: 'closed', METRICS_TOKEN: 'only-for-scrapes' },
});

t.test('register, log in, check, refresh, change the password, log out', async (t) => {
  const { post, verify, login } = open;

  const created = await post('/v1/users', { username: 'Alice', password });
  t.equal(created.status, 201);
  t.match(created.body, { user_id: /^u_/, username: 'alice' });
  t.equal((await post('/v1/users', { username: 'ALICE', password })).status, 409);

  const first = await login('alice');
  t.equal(first.status, 200);
  t.match(first.body, { token_type: 'Bearer', expires_in: 600, scope: 'account' });
  t.equal(first.body.user_id, created.body.user_id);
  t.equal(first.headers.get('cache-control'), 'no-store');

  const checked = await verify(textOf(first, 'access_token'));
  t.equal(checked.status, 200);
  t.equal(checked.headers.get('x-auth-user'), first.body.user_id);
  t.equal(checked.headers.get('x-auth-session'), first.body.session_id);
  t.equal(checked.headers.get('x-auth-scope'), 'account');

  const refreshed = await post('/v1/refresh', { refresh_token: textOf(first, 'refresh_token') });
  t.equal(refreshed.status, 200);
  t.equal(refreshed.body.session_id, first.body.session_id);
  t.not(refreshed.body.refresh_token, first.body.refresh_token);
  const again = await post('/v1/refresh', { refresh_token: textOf(first, 'refresh_token') });
  t.equal(
    again.body.refresh_token,
    refreshed.body.refresh_token,
    'a repeat gets the same successor',
  );

  const other = await login('alice');
  const next = `${password}-new`;
  const changed = await post(
    '/v1/password',
    { current_password: password, new_password: next },
    textOf(refreshed, 'access_token'),
  );
  t.equal(changed.status, 200);
  t.equal(changed.body.session_id, first.body.session_id, 'the session goes on');
  for (const old of [first, refreshed, other])
    await until('an old token is refused', async () => {
      const answer = await verify(textOf(old, 'access_token'));
      return answer.status === 401 && answer.body.error === 'session_ended';
    });
  t.equal((await verify(textOf(changed, 'access_token'))).status, 200, 'the fresh token works');
  t.equal(
    (await post('/v1/refresh', { refresh_token: textOf(other, 'refresh_token') })).status,
    401,
  );
  t.equal((await login('alice')).status, 401, 'the old password is dead');
  t.equal((await login('alice', next)).status, 200);

  const token = textOf(changed, 'access_token');
  t.equal((await post('/v1/logout', {}, token)).status, 204);
  await until('the token is dead', async () => (await verify(token)).status === 401);
  t.equal((await post('/v1/logout', {}, token)).status, 204, 'repeatable');
  const dead = await post('/v1/refresh', { refresh_token: textOf(changed, 'refresh_token') });
  t.equal(dead.status, 401);

  const lines = () => open.logLines().filter((line) => line.audit !== undefined);
  await until('audit lines', () => lines().filter((l) => l.audit === 'logout').length === 2);
  t.match(
    lines().find((line) => line.audit === 'login' && line.outcome === 'bad_credentials'),
    { request_id: String, client: '127.0.0.1', status: 401 },
  );
});

t.test('what the admin port shows, and to whom', async (t) => {
  const fleet = closed;
  const hash = argon2.hashSync(password, { memoryCost: 19456, timeCost: 2, parallelism: 1 });
  await fleet.importUser('bob', hash);
  const bob = await fleet.login('bob');
  await fleet.verify(textOf(bob, 'access_token'));
  const shown = await fleet.admin('GET', '/nodes');
  t.match(shown.body, { nodes: [{ id: 'node-1' }, { id: 'node-2' }] });
  await until('metrics of edges and nodes', async () => {
    const text = await fleet.metrics();
    return (
      /floodgate_requests_total\{[^}]*route="\/v1\/login"[^}]*\} 1\b/.test(text) &&
      /floodgate_token_cache_total\{outcome="miss",edge="\d"\} 1\b/.test(text) &&
      /floodgate_redis_connections\{edge="1"\} 1\b/.test(text) &&
      /floodgate_redis_connections\{edge="2"\} 1\b/.test(text) &&
      /node="node-1"/.test(text) &&
      /node="node-2"/.test(text)
    );
  });
  const admin = `http://127.0.0.1:${fleet.adminPort}`;
  const withToken = (path: string, token?: string) =>
    fleet.call('GET', path, undefined, token, admin).then((answer) => answer.status);
  t.equal(await withToken('/metrics', 'only-for-scrapes'), 200);
  t.equal(await withToken('/nodes', 'only-for-scrapes'), 401);
  t.equal(await withToken('/nodes'), 401);
  for (const path of ['/metrics', '/nodes', '/users', '/admin', '/admin/users'])
    t.equal((await fleet.call('GET', path)).status, 404, `${path} is not on the public port`);
});

t.test('wrong input gets a code and does no harm', async (t) => {
  const { post, call } = open;
  const cases: [string, Record<string, unknown>, string, RegExp][] = [
    ['/v1/users', { username: 'x' }, 'bad_request', /password is missing/],
    ['/v1/users', { username: 'x', password: 'short' }, 'bad_request', /at least 8/],
    ['/v1/users', { username: 'x', password: 'password123' }, 'bad_request', /common/],
    ['/v1/users', { username: 'x', password: 'x'.repeat(4097) }, 'bad_request', /4096/],
    ['/v1/users', { username: ['x'], password }, 'bad_request', /must be a string/],
    ['/v1/users', { username: 'x\u0000', password }, 'bad_request', /not allowed/],
    ['/v1/users', { username: 'x', password, admin: true }, 'bad_request', /does not know/],
    ['/v1/login', { username: 'x', password: '' }, 'bad_request', /missing/],
    ['/v1/login', { username: 'x', password: 'p', scope: 7 }, 'bad_request', /must be a string/],
    ['/v1/refresh', { refresh_token: 'nonsense' }, 'token_invalid', /./],
    ['/v1/password', { current_password: 'a', new_password: 'b' }, 'token_missing', /./],
  ];
  for (const [path, body, code, text] of cases) {
    const answer = await post(path, body);
    t.match(answer.body, { error: code, error_description: text, request_id: String }, path);
  }
  t.equal((await call('GET', '/v1/verify')).body.error, 'token_missing');
  t.equal((await call('GET', '/v1/verify', undefined, 'a.b.c')).body.error, 'token_invalid');
});

t.test('registration is closed unless it is opened', async (t) => {
  t.match(await closed.post('/v1/users', { username: 'x', password }), {
    status: 403,
    body: { error: 'registration_closed' },
  });
});
