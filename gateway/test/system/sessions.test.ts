/** What a user and an operator do with sessions, over the edges of a whole fleet. */
import bcrypt from '@node-rs/bcrypt';
import t from 'tap';
import { connectRedis, quitRedis } from '../../../shared/redis.js';
import { whenReady } from '../../../shared/redis-calls.js';
import { type Answer, decided, type Fleet, password, startFleet, textOf, until } from './fleet.js';
import { basic, createRig, fieldsOf } from './oauth-rig.js';

t.setTimeout(600_000);

// 127.0.0.1 stands for many clients here, so it may hold more connections than one of them.
const fleet = await startFleet(t, { env: { TRUSTED_PROXIES: '127.0.0.1' } });

const del = (path: string, token: string) => fleet.call('DELETE', path, undefined, token);
const tokenOf = (answer: Answer) => textOf(answer, 'access_token');
const isDead = async (token: string) => (await fleet.verify(token)).status === 401;
const refresh = (answer: Answer) =>
  decided(() => fleet.post('/v1/refresh', { refresh_token: textOf(answer, 'refresh_token') }));

type View = { session_id: string; current: boolean; created_at: string; client_address: string };
const viewsOf = (answer: Answer): View[] => answer.body.sessions as View[];

t.test('a user looks at their sessions and ends them', async (t) => {
  await fleet.register('alice');
  await fleet.register('mallory');
  const mine = await fleet.signIn('alice');
  const [one, two] = [await fleet.signIn('alice'), await fleet.signIn('alice')];
  const foreign = await fleet.signIn('mallory');
  const token = tokenOf(mine);

  const list = await fleet.call('GET', '/v1/sessions', undefined, token);
  t.equal(list.status, 200);
  t.equal(list.headers.get('cache-control'), 'no-store');
  const views = viewsOf(list);
  const ids = views.map(({ session_id }) => session_id);
  for (const { body } of [mine, one, two]) t.ok(ids.includes(String(body.session_id)));
  t.notOk(ids.includes(String(foreign.body.session_id)));
  t.strictSame(
    views.filter(({ current }) => current).map(({ session_id }) => session_id),
    [mine.body.session_id],
  );
  t.match(views[0], { created_at: /^\d{4}-.*Z$/, client_address: '127.0.0.1' });
  t.strictSame(Object.keys(views[0] ?? {}).sort(), [
    'client_address',
    'created_at',
    'current',
    'last_used_at',
    'session_id',
    'user_agent',
  ]);

  const path = `/v1/sessions/${textOf(one, 'session_id')}`;
  for (let i = 0; i < 2; i++) t.equal((await del(path, token)).status, 204);
  await until('the end of one', () => isDead(tokenOf(one)));
  t.equal((await refresh(one)).body.error, 'session_ended');

  const others = `/v1/sessions/${textOf(foreign, 'session_id')}`;
  const unknown = `${others.slice(0, -3)}AAA`;
  for (const not of [others, unknown, '/v1/sessions/x', '/v1/sessions/a.b', '/v1/sessions/%00'])
    t.equal((await del(not, token)).status, 404, not);
  t.equal((await fleet.verify(tokenOf(foreign))).status, 200);

  for (const query of ['?keep=Current', '?keep=', '?keep', '?x=1', '?keep=current&x=1'])
    t.equal((await del(`/v1/sessions${query}`, token)).status, 400, query);
  t.equal((await fleet.call('DELETE', '/v1/sessions')).status, 401);
  t.equal((await fleet.call('PUT', '/v1/sessions', {}, token)).status, 405);

  t.equal((await del('/v1/sessions?keep=current', token)).status, 204);
  await until('the end of the others', () => isDead(tokenOf(two)));
  t.equal((await fleet.verify(token)).status, 200);

  const again = await fleet.signIn('alice');
  t.equal((await del('/v1/sessions', token)).status, 204);
  for (const answer of [mine, again]) {
    await until('the end of all', () => isDead(tokenOf(answer)));
    t.equal((await refresh(answer)).status, 401);
  }
  const since = await fleet.signIn('alice');
  t.equal((await decided(() => del('/v1/sessions', token))).status, 204, 'its answer may be lost');
  t.equal((await del('/v1/sessions?keep=current', token)).status, 401);
  t.equal((await fleet.verify(tokenOf(since))).status, 200, 'what began since goes on');

  const last = await fleet.signIn('alice');
  const own = `/v1/sessions/${textOf(last, 'session_id')}`;
  for (let i = 0; i < 2; i++) t.equal((await del(own, tokenOf(last))).status, 204, 'own');
  await until('the end of the own', () => isDead(tokenOf(last)));
});

t.test('while Redis is full nobody signs in, but sessions go on and can be ended', async (t) => {
  for (const name of ['full-stays', 'full-leaves', 'full-thief']) await fleet.register(name);
  const [stays, second] = [await fleet.signIn('full-stays'), await fleet.signIn('full-stays')];
  const [leaves, thief] = [await fleet.signIn('full-leaves'), await fleet.signIn('full-thief')];
  const redis = connectRedis({ url: fleet.redis.url, name: 'test', log: { info() {}, warn() {} } });
  await whenReady(redis, 2000);
  t.teardown(() => quitRedis(redis));
  t.teardown(() => redis.config('SET', 'maxmemory', '0'));
  const { post, addClient } = await createRig(t, fleet);
  const client = await addClient();
  const credentials = { grant_type: 'client_credentials' };
  const issued = fieldsOf(await post('/oauth/token', credentials, basic(client)));
  const token = String(issued.access_token);
  t.equal((await fleet.verify(token)).status, 200);
  await redis.config('SET', 'maxmemory', '1');

  t.match(await fleet.login('full-stays'), { status: 503, body: { error: 'store_unavailable' } });
  const refreshed = await refresh(stays);
  t.equal(refreshed.status, 200);
  t.equal((await refresh(refreshed)).status, 200, 'the new one is in the store');
  t.equal((await fleet.post('/v1/logout', {}, tokenOf(leaves))).status, 204);
  const path = `/v1/sessions/${textOf(second, 'session_id')}`;
  t.equal((await del(path, tokenOf(stays))).status, 204);
  t.equal((await fleet.admin('POST', `/users/${textOf(thief, 'user_id')}/disable`)).status, 200);
  for (const gone of [leaves, second, thief]) await until('the end', () => isDead(tokenOf(gone)));
  t.equal((await fleet.verify(tokenOf(stays))).status, 200);
  t.equal((await post('/oauth/revoke', { token }, basic(client))).status, 200);
  await until('the end of the token', () => isDead(token));
  const another = fieldsOf(await post('/oauth/token', credentials, basic(client)));
  t.equal((await fleet.admin('DELETE', `/clients/${client.id}`)).status, 204, 'a client');
  await until('the end of its tokens', () => isDead(String(another.access_token)));
  const head = Buffer.from(tokenOf(stays).split('.')[0] ?? '', 'base64url').toString();
  const { kid: revoke } = JSON.parse(head);
  t.equal((await fleet.admin('POST', '/keys/rotate', { revoke })).status, 200, 'a stolen key, too');
  await until('its end', () => isDead(tokenOf(stays)));

  await redis.config('SET', 'maxmemory', '0');
  t.equal((await fleet.signIn('full-stays')).status, 200);
  for (const gone of [leaves, second, thief]) t.equal((await refresh(gone)).status, 401);
});

t.test('an operator disables and enables a user', async (t) => {
  await fleet.register('bob');
  const before = await fleet.signIn('bob');
  const path = `/users/${textOf(before, 'user_id')}`;
  t.match((await fleet.admin('GET', path)).body, { status: 'active', critical: false });
  for (let i = 0; i < 2; i++)
    t.match((await fleet.admin('POST', `${path}/disable`)).body, { status: 'disabled' });
  await until('the end', () => isDead(tokenOf(before)));
  t.equal((await refresh(before)).status, 401);

  const refused = await decided(() => fleet.login('bob'));
  const wrong = await decided(() => fleet.login('nobody-of-that-name'));
  const bare = ({ status, body: { request_id, ...body }, headers }: Answer) => [
    ...[status, body],
    // A request id is a counter, so its length says nothing.
    [...headers].filter(([name]) => !['date', 'x-request-id', 'content-length'].includes(name)),
  ];
  t.strictSame(bare(refused), bare(wrong), 'the same bytes as for anybody');

  t.match((await fleet.admin('POST', `${path}/enable`)).body, { status: 'active' });
  const after = await fleet.signIn('bob');
  t.equal((await fleet.verify(tokenOf(after))).status, 200);
  t.ok(await isDead(tokenOf(before)), 'what was ended stays so');

  const ids = ['u_unknown', `u_${'x'.repeat(32)}`, 'imported-unknown', '%00', '%', 'x/disable'];
  for (const id of ids)
    t.equal((await fleet.admin('POST', `/users/${id}/disable`)).status, 404, id);
  t.equal((await fleet.admin('POST', `${path}/constructor`)).status, 404);
  await fleet.admin('POST', '/users', {
    ...{ username: 'carol', user_id: 'crm:42' },
    hash: bcrypt.hashSync(password, { cost: 4 }),
  });
  t.match((await fleet.admin('GET', '/users/crm:42')).body, { user_id: 'crm:42' });
  t.equal((await fleet.admin('POST', '/users/crm:42/disable')).status, 200);
});

t.test('a reset token sets one password, once, and ends everything', async (t) => {
  await fleet.register('dora');
  const before = await fleet.signIn('dora');
  const issue = async () => {
    const path = `/users/${textOf(before, 'user_id')}/reset`;
    const answer = await decided(() => fleet.admin('POST', path));
    t.match(answer, { status: 200, body: { expires_in: 1800 } });
    return textOf(answer, 'reset_token');
  };
  const set = (token: string, secret: string) =>
    decided(() => fleet.post('/v1/password', { reset_token: token, new_password: secret }));
  const old = await issue();
  const token = await issue();
  t.equal((await set(old, `${password}-old`)).body.error, 'token_invalid', 'a newer one voids it');
  t.equal((await set(token, 'short')).status, 400);
  t.equal((await set(token, `${password}-1`)).status, 204, 'after a refusal by the rules too');
  t.equal((await set(token, `${password}-1`)).status, 204, 'the same request again');
  t.equal((await set(token, `${password}-2`)).body.error, 'token_invalid');
  await until('the end of what was before', () => isDead(tokenOf(before)));
  t.equal((await decided(() => fleet.login('dora'))).status, 401);
  t.equal((await decided(() => fleet.login('dora', `${password}-1`))).status, 200);

  const race = await issue();
  const answers = await Promise.all(
    Array.from({ length: 8 }, (_, i) => set(race, `${password}-race-${i}`)),
  );
  t.equal(answers.filter(({ status }) => status === 204).length, 1, 'one of eight');
  const both = { reset_token: race, new_password: password, current_password: password };
  t.equal((await fleet.post('/v1/password', both)).status, 400);

  const body = { reset_token: `${old.slice(0, 22)}.${'x'.repeat(43)}`, new_password: password };
  let last = 0;
  for (let i = 0; i < 40 && last !== 429; i++)
    last = (await fleet.post('/v1/password', body)).status;
  t.equal(last, 429, 'guessing has its limit');
});

t.test('a reset token ends with whatever else ends what was issued', async (t) => {
  type Owner = { id: string; token: string; username: string; home: ReturnType<Fleet['client']> };
  const admin = (method: string, path: string, body?: object) =>
    decided(() => fleet.admin(method, `/users/${path}`, body));
  const next = `${password}-next`;
  const events: [string, (owner: Owner) => Promise<Answer[]>][] = [
    [
      'an operator sets a password',
      async ({ id }) => [await admin('PUT', `${id}/password`, { password: next })],
    ],
    [
      'disabled, and enabled again',
      async ({ id }) => [await admin('POST', `${id}/disable`), await admin('POST', `${id}/enable`)],
    ],
    [
      'the owner changes the password',
      async ({ token, home }) => {
        const change = { current_password: password, new_password: next };
        return [await decided(() => home.post('/v1/password', change, token))];
      },
    ],
    [
      'deleted, and the name is another user by now',
      async ({ id, username, home }) => [
        await admin('DELETE', id),
        await decided(() => home.post('/v1/users', { username, password: next })),
      ],
    ],
  ];
  for (const [i, [name, happen]] of events.entries()) {
    const home = fleet.client(`10.5.${i}.1`);
    const username = `heir-${i}`;
    await decided(() => home.post('/v1/users', { username, password }));
    const before = await decided(() => home.login(username));
    const id = textOf(before, 'user_id');
    const reset_token = textOf(await admin('POST', `${id}/reset`), 'reset_token');
    const happened = await happen({ id, token: tokenOf(before), username, home });
    for (const { status } of happened) t.ok(status < 300, `${name}: ${status}`);
    const stolen = { reset_token, new_password: `${password}-stolen` };
    const answer = await decided(() => home.post('/v1/password', stolen));
    t.match(answer, { status: 401, body: { error: 'token_invalid' } }, name);
    const entered = await decided(() => home.login(username, `${password}-stolen`));
    t.equal(entered.status, 401, `${name}: nobody comes in with it`);
  }
});

t.test('wrong guesses of a stranger keep nobody out who has shown something', async (t) => {
  const home = fleet.client('10.2.0.1');
  t.equal((await decided(() => home.post('/v1/users', { username: 'eve', password }))).status, 201);
  const before = await decided(() => home.login('eve'));
  for (let i = 0; i < 10; i++)
    t.equal(
      (await decided(() => fleet.client('10.3.0.1').login('eve', `${password}-wrong-${i}`))).status,
      401,
    );
  // A limit decides here, so it is not asked about until it has passed.
  const stranger = fleet.client('10.4.0.1');
  let strange = await stranger.login('eve');
  while ([503, 504].includes(strange.status)) strange = await stranger.login('eve');
  t.match(strange, { status: 429, body: { error: 'too_many_attempts' } }, 'from nowhere known');
  const device_token = textOf(before, 'device_token');
  const known = { username: 'eve', password, device_token };
  t.equal((await decided(() => home.post('/v1/login', known))).status, 200, 'a known device');

  const next = `${password}-next`;
  const change = { current_password: password, new_password: next };
  const changed = await decided(() => home.post('/v1/password', change, tokenOf(before)));
  t.equal(changed.status, 200, 'a session');
  const path = `/users/${textOf(before, 'user_id')}/reset`;
  const reset_token = textOf(await decided(() => fleet.admin('POST', path)), 'reset_token');
  const reset = { reset_token, new_password: `${password}-last` };
  t.equal((await decided(() => home.post('/v1/password', reset))).status, 204, 'a reset token');
});

t.test('200 families, 50 refreshes each over all edges: one successor', async (t) => {
  const faults: string[] = [];
  const family = async (i: number) => {
    const name = `crowd-${i % 20}`;
    const answer = await decided(() => fleet.client(`10.1.${i}.1`).login(name));
    const refresh_token = textOf(answer, 'refresh_token');
    const refresh = (token: unknown) =>
      decided(() => fleet.post('/v1/refresh', { refresh_token: token }));
    const answers = await Promise.all(Array.from({ length: 50 }, () => refresh(refresh_token)));
    const successors = new Set(answers.map((each) => each.body.refresh_token));
    if (answers.some(({ status }) => status !== 200) || successors.size !== 1)
      faults.push(`${i}: ${successors.size} of ${answers.map((each) => each.status)}`);
    const [next] = successors;
    const onward = await refresh(next);
    if (onward.status !== 200) faults.push(`${i}: the successor: ${onward.status}`);
    const reuse = await refresh(refresh_token);
    if (reuse.status !== 401) faults.push(`${i}: two back: ${reuse.status}`);
  };
  const hash = bcrypt.hashSync(password, { cost: 4 });
  for (let i = 0; i < 20; i++) await fleet.importUser(`crowd-${i}`, hash);
  for (let i = 0; i < 200; i += 4) await Promise.all([0, 1, 2, 3].map((k) => family(i + k)));
  t.strictSame(faults, []);
});
