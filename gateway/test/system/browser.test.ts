/** Browsers against a running gateway with two edges: cookies, forms of other sites, other origins. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { type Heard, send } from '../request.js';
import { decided, password, startFleet, textOf, until } from './fleet.js';

const page = 'https://app.example';
const json = { 'content-type': 'application/json' };

t.setTimeout(300_000);

const bodyOf = ({ text }: Heard): Record<string, unknown> => (text === '' ? {} : JSON.parse(text));
const cookieIn = ({ headers }: Heard): string =>
  /^[^;]*/.exec(headers['set-cookie']?.[0] ?? '')?.[0] ?? '';

const setup = async (t: Test) => {
  const fleet = await startFleet(t, { nodes: 1, edges: 2, env: { CORS_ORIGINS: page } });
  await fleet.register('alice');
  const { port } = fleet;
  type Options = Parameters<typeof send>[2];
  /** The first answer that is not "not now"; each on a connection of its own, so of either edge. */
  const ask = async (path: string, options: Options = {}): Promise<Heard> => {
    const end = Date.now() + 20_000;
    for (;;) {
      const heard = await send(port, path, options);
      if (![429, 503, 504].includes(heard.status) || Date.now() > end) return heard;
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  };
  const signIn = async (more: object = {}, headers: Record<string, string> = {}) => {
    const body = JSON.stringify({ username: 'alice', password, cookie: true, ...more });
    return ask('/v1/login', { method: 'POST', headers: { ...json, ...headers }, body });
  };
  const verify = (cookie: string) => send(port, '/v1/verify', { headers: { cookie } });
  /** What the edges say, ten times; either takes its turns. */
  const everywhere = async (cookie: string) =>
    new Set(
      (await Promise.all(Array.from({ length: 10 }, () => verify(cookie)))).map((h) => h.status),
    );
  const logout = (cookie: string, headers: Record<string, string> = { origin: page }) =>
    ask('/v1/logout', { method: 'POST', headers: { cookie, ...headers } });
  return { fleet, port, ask, signIn, verify, everywhere, logout };
};

t.test('a browser lists its sessions and ends them', async (t) => {
  const { ask, signIn, verify, everywhere } = await setup(t);
  const [one, two] = [await signIn(), await signIn()];
  const [first, second] = [cookieIn(one), cookieIn(two)];
  const idOf = (heard: Heard) => String(bodyOf(heard).session_id);

  const listed = bodyOf(await ask('/v1/sessions', { headers: { cookie: second } })).sessions;
  t.match(listed, [
    { session_id: idOf(two), current: true },
    { session_id: idOf(one), current: false },
  ]);
  const end = (cookie: string, path = '', origin = page) =>
    ask(`/v1/sessions${path}`, { method: 'DELETE', headers: { cookie, origin } });

  const foreign = await end(second, '', 'https://evil.example');
  t.equal(bodyOf(foreign).error, 'origin_refused');
  t.strictSame(await everywhere(first), new Set([200]));

  const other = await end(second, `/${idOf(one)}`);
  t.equal(other.status, 204);
  t.notOk(other.headers['set-cookie'], 'the caller keeps its own');
  await until('the other one is over', async () => (await verify(first)).status === 401);
  t.strictSame(await everywhere(first), new Set([401]));
  t.strictSame(await everywhere(second), new Set([200]));

  const own = await end(second, `/${idOf(two)}`);
  t.equal(own.status, 204);
  t.match(own.headers['set-cookie'], [/^__Host-floodgate=; Max-Age=0/]);
  await until('its own is over', async () => (await verify(second)).status === 401);
  t.strictSame(await everywhere(second), new Set([401]));

  const [third, fourth] = [cookieIn(await signIn()), cookieIn(await signIn())];
  t.equal((await end(third, '?keep=current')).headers['set-cookie'], undefined);
  await until('the others are over', async () => (await verify(fourth)).status === 401);
  t.strictSame(await everywhere(third), new Set([200]));
  const all = await end(third);
  t.equal(all.status, 204);
  t.match(all.headers['set-cookie'], [/^__Host-floodgate=; Max-Age=0/]);
  await until('all are over', async () => (await verify(third)).status === 401);
  t.strictSame(await everywhere(third), new Set([401]));
});

t.test('the life of a browser session', async (t) => {
  const { fleet, port, ask, signIn, verify, everywhere, logout } = await setup(t);

  const first = await signIn();
  t.equal(first.status, 200, first.text);
  t.strictSame(
    Object.keys(bodyOf(first)).sort(),
    ['device_token', 'scope', 'session_id', 'user_id'],
    'no token',
  );
  t.equal(first.headers['cache-control'], 'no-store');
  t.match(first.headers['set-cookie'], [
    /^__Host-floodgate=[\w.-]{89}; Max-Age=2592000; Path=\/; HttpOnly; Secure; SameSite=Lax$/,
  ]);
  const cookie = cookieIn(first);
  t.strictSame(await everywhere(cookie), new Set([200]));
  const seen = await verify(`theme=dark; ${cookie}`);
  t.equal(seen.headers['x-auth-user'], bodyOf(first).user_id);
  t.equal(seen.headers['x-auth-session'], bodyOf(first).session_id);
  t.notOk(seen.headers['set-cookie'], 'never rotated at a check');

  const two = await send(port, '/v1/verify', { headers: { cookie: `${cookie}; ${cookie}` } });
  t.equal(two.status, 400);
  const bearer = await send(port, '/v1/verify', { headers: { cookie, authorization: 'Bearer x' } });
  t.equal(bearer.status, 401, 'an Authorization header counts alone');

  for (const wrong of ['yes', 1, null, {}])
    t.equal((await signIn({ cookie: wrong })).status, 400, JSON.stringify(wrong));
  const tokens = await signIn({ cookie: false });
  t.ok(bodyOf(tokens).access_token);
  t.notOk(tokens.headers['set-cookie']);
  const foreign = await signIn({}, { origin: 'https://evil.example' });
  t.equal(bodyOf(foreign).error, 'origin_refused', 'nobody is signed in by another site');

  const again = await signIn({}, { cookie });
  const second = cookieIn(again);
  t.not(second, cookie, 'a new session each time');
  await until('the replaced session is over', async () => (await verify(cookie)).status === 401);

  for (const headers of [
    { origin: 'https://evil.example' },
    { origin: 'null' },
    { 'sec-fetch-site': 'cross-site' },
    { 'sec-fetch-site': 'same-site' },
  ])
    t.equal(bodyOf(await logout(second, headers)).error, 'origin_refused', JSON.stringify(headers));
  const form = { 'content-type': 'application/x-www-form-urlencoded' };
  t.equal((await logout(second, form)).status, 415);
  t.strictSame(await everywhere(second), new Set([200]));

  const change = (from: string, to: string, headers: Record<string, string>) =>
    ask('/v1/password', {
      method: 'POST',
      headers: { ...json, origin: page, ...headers },
      body: JSON.stringify({ current_password: from, new_password: to }),
    });
  const refused = await change(password, `${password}2`, {
    cookie: second,
    origin: 'https://evil.example',
  });
  t.equal(bodyOf(refused).error, 'origin_refused');
  const changed = await change(password, `${password}2`, { cookie: second });
  t.equal(changed.status, 200, changed.text);
  t.notMatch(changed.text, /token/);
  const third = cookieIn(changed);
  t.not(third, second);
  t.strictSame(await everywhere(third), new Set([200]));
  await until('the old cookie is dead', async () => (await verify(second)).status === 401);
  t.strictSame(await everywhere(second), new Set([401]));
  await until('other sessions', async () => {
    return (await fleet.verify(String(bodyOf(tokens).access_token))).status === 401;
  });

  const out = await logout(third);
  t.equal(out.status, 204);
  t.match(out.headers['set-cookie'], [/^__Host-floodgate=; Max-Age=0; Path=\/; HttpOnly; Secure/]);
  await until('signed out', async () => (await verify(third)).status === 401);
  t.strictSame(await everywhere(third), new Set([401]));
  t.equal((await logout(third)).status, 204, 'repeatable');
  t.equal((await ask('/v1/logout', { method: 'POST' })).status, 401, 'not without any');

  const logs = readdirSync(fleet.logs).map((file) => readFileSync(join(fleet.logs, file), 'utf8'));
  for (const value of [cookie, second, third])
    t.notMatch(logs.join(''), value.slice(-43), 'no secret in a log');
});

t.test('other origins: asked before a sign-in, and what is said to strangers', async (t) => {
  const { ask, signIn } = await setup(t);
  const headers = { origin: page, 'access-control-request-method': 'POST' };
  const yes = await ask('/v1/login', { method: 'OPTIONS', headers });
  t.equal(yes.status, 204);
  t.equal(yes.headers['access-control-allow-origin'], page);
  t.equal(yes.headers['access-control-allow-credentials'], 'true');
  const no = { ...headers, origin: 'https://evil.example' };
  t.equal((await ask('/v1/login', { method: 'OPTIONS', headers: no })).status, 405);
  const answer = await signIn({}, { origin: page });
  t.equal(answer.headers['access-control-allow-origin'], page);
  t.equal(answer.headers.vary, 'Origin');
});

t.test('Redis lost: unknown, never "signed out"', async (t) => {
  const { fleet, port, signIn, verify } = await setup(t);
  const cookie = cookieIn(await signIn());
  const unseen = cookieIn(await signIn());
  for (let n = 0; n < 20; n++) t.equal((await verify(cookie)).status, 200);
  await fleet.redis.stop('SIGKILL');
  t.equal((await verify(unseen)).status, 503);
  t.equal((await verify(cookie)).status, 200, 'remembered, and the log may be lost for 30 s');
  const out = await send(port, '/v1/logout', { method: 'POST', headers: { cookie, origin: page } });
  t.equal(out.status, 503);
  t.notOk(out.headers['set-cookie'], 'the cookie is left alone');
  await fleet.redis.start();
  await until('Redis is back', async () => (await verify(unseen)).status === 200);
  const token = textOf(await decided(() => fleet.login('alice')), 'access_token');
  t.equal((await fleet.verify(token)).status, 200);
});
