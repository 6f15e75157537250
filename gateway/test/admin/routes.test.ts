/** Calls of the admin port over a real Redis, where what nodes and edges do can be decided by the test. */
import t, { type Test } from 'tap';
import { AppError } from '../../../shared/errors.js';
import { createHttp, type Route } from '../../../shared/http.js';
import type { Finding, RowResult } from '../../../shared/import-batch.js';
import { listen } from '../../../shared/listen.js';
import { startRedis } from '../../../shared/test/redis-server.js';
import { createAccountRoutes } from '../../admin/routes/accounts.js';
import { createCampaignRoutes } from '../../admin/routes/campaigns.js';
import { createClientRoutes } from '../../admin/routes/clients.js';
import { createNodeRoutes } from '../../admin/routes/nodes.js';
import { createUserRoute } from '../../admin/routes/users.js';
import { createExportRoutes } from '../../admin/routes/users-export.js';
import { createClientRegistry } from '../../clients/registry.js';
import { createClaims } from '../../import/claims.js';
import { createSendRows } from '../../import/send-rows.js';
import { createResets } from '../../sessions/resets.js';
import { createUserSessions } from '../../sessions/user-sessions.js';
import type { Revocation } from '../../tokens/revocations.js';
import { newUserId } from '../../user-id.js';
import { createAccounts } from '../../username.js';
import { send } from '../request.js';
import { openClient } from '../store.js';

const log = { error: () => {}, warn: () => {} };
const redis = await openClient(t, await startRedis(t));

const serve = async (t: Test, routes: Route[]) => {
  const { server, stop } = createHttp({ routes, log });
  t.teardown(() => stop(0));
  const port = await listen(server, { host: '127.0.0.1', port: 0, setting: 'PORT' });
  return async (method: string, path: string, content?: object) => {
    const headers = { host: 'x', 'content-type': 'application/json' };
    const body = content === undefined ? {} : { body: JSON.stringify(content) };
    const { status, text } = await send(port, path, { method, headers, ...body });
    return { status, body: text === '' ? {} : JSON.parse(text) };
  };
};

t.test(
  'a client whose removal failed, and that is enabled again, has tokens that live',
  async (t) => {
    const registry = createClientRegistry({ redis });
    const published: Revocation[] = [];
    let isLost = false;
    const publish = async (entry: Revocation) => {
      published.push(entry);
      if (isLost) throw new AppError('store_unavailable');
    };
    const call = await serve(t, createClientRoutes({ registry, publish }));
    const { body: made } = await call('POST', '/clients', { name: 'a service' });
    const path = `/clients/${made.client_id}`;
    t.equal((await call('PATCH', `${path}/rotate`, { name: 'b' })).status, 404, 'no such action');
    isLost = true;
    t.equal((await call('DELETE', path)).status, 503);
    t.match(
      await registry.find(made.client_id),
      { status: 'disabled' },
      'still there, and shut out',
    );
    isLost = false;
    t.equal((await call('PATCH', path, { status: 'active' })).status, 200);
    const { gen } = (await registry.find(made.client_id)) ?? { gen: 0 };
    t.match(
      published,
      [{ kind: 'user', id: made.client_id, gen }],
      'what is issued now is not dead',
    );
    t.equal((await call('DELETE', path)).status, 204);
    t.match(published[1], { gen: gen + 1 });
    t.equal((await call('DELETE', path)).status, 404);
  },
);

t.test(
  'one user with a hash: the id is theirs alone, and the answer has the one they got',
  async (t) => {
    const accounts = createAccounts(Buffer.alloc(32));
    /** What a node says of the row, when it is to be written. */
    let answer: () => RowResult | null = () => null;
    const errand = async (_: string, [head]: readonly object[]) => ({
      results: [Reflect.get({ ...head }, 'write') ? answer() : null],
    });
    const sendRows = createSendRows({ claims: createClaims({ redis }), errand });
    const call = await serve(t, [
      createUserRoute({ sendRows, accounts, defaultScopes: 'account' }),
    ]);
    const add = (username: string, more: object = {}) =>
      call('POST', '/users', { username, hash: 'x', ...more });
    const holder = (id: string) => redis.get(`uid:${id}`);
    const { u } = accounts('ann');

    t.match(await add('ann', { user_id: 'auth0|7' }), {
      status: 201,
      body: { user_id: 'auth0|7' },
    });
    t.equal(await holder('auth0|7'), u);
    await redis.hset(`user:{${u}}`, 'user_id', 'auth0|7');
    t.equal((await add('ben', { user_id: 'auth0|7' })).status, 409, 'it is taken');
    t.equal((await add('ann', { user_id: 'auth0|7' })).status, 201, 'a repeat');

    answer = () => ({ found: ['exists'] });
    t.equal((await add('ben', { user_id: '8' })).status, 409);
    t.equal(await holder('8'), null, 'free again');

    answer = () => ({ id: '17' });
    t.match(await add('ben', { user_id: '8' }), { status: 201, body: { user_id: '17' } });
    t.equal(await holder('8'), null, 'a table that counts gave another');

    answer = () => {
      throw new AppError('no_node');
    };
    t.equal((await add('ann', { user_id: '9' })).status, 503);
    t.equal(await holder('9'), u, 'it may have been written');
    answer = () => null;
    t.equal((await add('ben', { user_id: '9' })).status, 201, 'it was not');
    t.equal(await holder('9'), accounts('ben').u);

    const wrong = {
      scopes: '',
      status: 'gone',
      user_id: 'u_1',
      format: '',
      norm: 'nfd',
      other: '',
    };
    for (const [field, value] of Object.entries(wrong))
      t.equal((await add('cleo', { [field]: value })).status, 400, field);
  },
);

t.test('one user is a row of an import, looked at before it is written', async (t) => {
  const accounts = createAccounts(Buffer.alloc(32));
  const sent: (readonly object[])[] = [];
  let found: Finding[] = [];
  const errand = async (path: string, lines: readonly object[]) => {
    t.equal(path, '/credentials/batch');
    sent.push(lines);
    return { results: [{ found }] };
  };
  const sendRows = createSendRows({ claims: createClaims({ redis }), errand });
  const call = await serve(t, [createUserRoute({ sendRows, accounts, defaultScopes: 'account' })]);
  const user = { username: 'Gus', hash: 'x', format: 'nthash', norm: 'nfc', user_id: 'gus-1' };
  const add = () => call('POST', '/users', user);
  const cases: [Finding, object][] = [
    ['hash_unusable', { error_description: /account without a usable password/ }],
    ['hash_ambiguous', { error_description: /Declare its format/ }],
    ['hash_mismatch', { error_description: /format is not valid/ }],
    ['key_unknown', { error_description: /PASSWORD_KEYS/ }],
  ];
  for (const [each, body] of cases) {
    found = [each, 'secret_in_row'];
    t.match(await add(), { status: 400, body: { error: 'bad_request', ...body } }, each);
  }
  found = ['exists'];
  t.match(await add(), { status: 409, body: { error: 'account_exists' } });
  t.equal(sent.splice(0).length, 5, 'none of them was to be written');
  t.equal(await redis.exists('uid:gus-1'), 0);

  found = ['secret_in_row'];
  t.match(await add(), { status: 201, body: { user_id: 'gus-1', username: 'gus' } });
  const head = { rule: 'insert', keys: {} };
  const { username, ...rest } = user;
  const row = { ...rest, u: accounts(username).u, name: 'gus', options: {}, scopes: 'account' };
  t.match(sent, [
    [{ ...head, write: false }, row],
    [{ ...head, write: true }, row],
  ]);
  t.equal(sent[0]?.[1], sent[1]?.[1], 'as the same attempt');
});

t.test(
  'a node as all edges see it: at how many its breaker is open, how many avoid it',
  async (t) => {
    const seenAs = (state: 'closed' | 'open' | 'half-open', suspect = false) => ({
      ...{
        id: 'n',
        boot_id: 'b',
        version: '',
        zone: '',
        slots: 2,
        draining: false,
        via: 'unix' as const,
      },
      ...{ state, suspect, weight: 1, inflight: 1, full: false },
      report: { inflight: 1, service_ms: 20 },
    });
    let views = [seenAs('closed'), seenAs('closed', true)];
    const nodes = { snapshot: () => [seenAs('closed')], call: async () => ({}) };
    const gather = { nodeViews: async () => [views] };
    const call = await serve(t, createNodeRoutes({ nodes, gather }));
    const shown = async () => (await call('GET', '/nodes')).body.nodes[0];
    t.match(await shown(), { edges: 2, state: 'closed', edges_open: 0, edges_avoiding: 1 });
    views = [seenAs('open', true), seenAs('half-open'), seenAs('closed'), seenAs('closed', true)];
    t.match(await shown(), { edges: 4, state: 'open', edges_open: 2, edges_avoiding: 3 });
    views = [];
    t.match(await shown(), { edges: 0, state: 'unknown', edges_open: 0, edges_avoiding: 0 });
  },
);

t.test('what a drained node says of itself is passed on', async (t) => {
  const call = await serve(
    t,
    createNodeRoutes({
      nodes: {
        snapshot: () => [],
        call: async (_, method, path) => ({ id: 'x', registered: true, inflight: 3, method, path }),
      },
      gather: { nodeViews: async () => [] },
    }),
  );
  t.strictSame((await call('POST', '/nodes/n%201/drain')).body, {
    ...{ registered: true, inflight: 3, method: 'POST', path: '/drain' },
    ...{ id: 'n 1', action: 'drain' },
  });
});

t.test("an export of an operator's table knows whom we have disabled", async (t) => {
  const accounts = createAccounts(Buffer.alloc(32));
  const row = (id: string, name: string) => ({
    ...{ u: `row:${id}`, user_id: id, name, status: 'active', scopes: '' },
  });
  await redis.hset(`user:{${accounts('zoe').u}}`, 'status', 'disabled');
  const errand = async () => ({
    cursor: '',
    rows: [row('1', 'Zoe'), row('2', 'yan'), row('3', '')],
  });
  const call = await serve(t, createExportRoutes({ errand, accounts, redis }));
  const { body } = await call('POST', '/users/export', { cursor: '' });
  t.match(body, {
    rows: [
      { user_id: '1', status: 'disabled' },
      { user_id: '2', status: 'active' },
      { user_id: '3', status: 'active' },
    ],
  });
});

t.test('a user who is deleted stays deleted, whatever else is done at that moment', async (t) => {
  const { u } = createAccounts(Buffer.alloc(32))('dora');
  const [key, id] = [`user:{${u}}`, newUserId(u)];
  /** As if somebody deleted the account right after it was found. */
  const hmget = async (...args: unknown[]) => {
    const found = await Reflect.apply(redis.hmget, redis, args);
    await redis.hset(key, 'status', 'deleted');
    return found;
  };
  const late = new Proxy(redis, {
    get: (client, name) => (name === 'hmget' ? hmget : Reflect.get(client, name)),
  });
  const routes = createAccountRoutes({
    ...{ redis: late, errand: async () => ({}), resets: createResets({ redis }) },
    userSessions: createUserSessions({ redis, publish: async () => {}, idleMs: 60_000 }),
    setPassword: async () => {},
  });
  const call = await serve(t, routes);
  for (const way of ['enable', 'disable', 'allow-critical']) {
    await redis.hset(key, { gen: 1, status: 'active', user_id: id });
    await call('POST', `/users/${id}/${way}`);
    t.strictSame(await redis.hmget(key, 'status', 'critical'), ['deleted', null], way);
  }
});

t.test(
  'a record hears that its user is disabled after the state, and enabled before it',
  async (t) => {
    const { u } = createAccounts(Buffer.alloc(32))('finn');
    const id = newUserId(u);
    await redis.hset(`user:{${u}}`, { gen: 1, status: 'active', user_id: id });
    const heard: unknown[] = [];
    let isLost = false;
    const errand = async (path: string, lines: readonly object[]) => {
      heard.push({ path, lines, while: await redis.hget(`user:{${u}}`, 'status') });
      if (isLost) throw new AppError('no_node');
      return {};
    };
    const call = await serve(
      t,
      createAccountRoutes({
        ...{ redis, errand, resets: createResets({ redis }), setPassword: async () => {} },
        userSessions: createUserSessions({ redis, publish: async () => {}, idleMs: 60_000 }),
      }),
    );
    const path = '/credentials/status';
    for (const [way, status] of [
      ['disable', 'disabled'],
      ['enable', 'active'],
    ]) {
      t.match(await call('POST', `/users/${id}/${way}`), { status: 200, body: { status } });
      t.strictSame(heard.splice(0), [
        { path, lines: [{ u, user_id: id, status }], while: 'disabled' },
      ]);
    }
    isLost = true;
    t.equal((await call('POST', `/users/${id}/disable`)).status, 503, 'not all of it');
    t.equal(await redis.hget(`user:{${u}}`, 'status'), 'disabled', 'out all the same');
    t.equal((await call('POST', `/users/${id}/enable`)).status, 503);
    t.equal(await redis.hget(`user:{${u}}`, 'status'), 'disabled', 'nobody half enabled');
  },
);

t.test("ids of an operator's own table may have the form of ours", async (t) => {
  const accounts = createAccounts(Buffer.alloc(32));
  const { u } = accounts('emma');
  const id = newUserId('x'.repeat(22));
  const errand = async () => ({ u, user_id: id, name: 'emma', status: 'active' });
  const call = await serve(t, [
    ...createExportRoutes({ errand, accounts, redis }),
    ...createAccountRoutes({
      ...{ redis, errand, resets: createResets({ redis }), setPassword: async () => {} },
      userSessions: createUserSessions({ redis, publish: async () => {}, idleMs: 60_000 }),
    }),
  ]);
  await redis.hset(`user:{${u}}`, { gen: 1, status: 'active', user_id: id });
  t.match(await call('POST', '/users/find', { username: 'emma' }), { body: { user_id: id } });
  t.match(await call('POST', `/users/${id}/disable`), { status: 200, body: { user_id: id } });
  t.equal(await redis.hget(`user:{${u}}`, 'status'), 'disabled');
});

t.test('no user, client or scope of ours begins like those of another issuer', async (t) => {
  const accounts = createAccounts(Buffer.alloc(32));
  const { u } = accounts('hugo');
  const id = newUserId(u);
  const errand = async () => ({});
  const rows = async () => ({ results: [null] });
  const sendRows = createSendRows({ claims: createClaims({ redis }), errand: rows });
  const call = await serve(t, [
    createUserRoute({ sendRows, accounts, defaultScopes: '' }),
    ...createAccountRoutes({
      ...{ redis, errand, resets: createResets({ redis }), setPassword: async () => {} },
      userSessions: createUserSessions({ redis, publish: async () => {}, idleMs: 60_000 }),
    }),
    ...createClientRoutes({ registry: createClientRegistry({ redis }), publish: async () => {} }),
  ]);
  await redis.hset(`user:{${u}}`, { gen: 1, status: 'active', user_id: id });
  const user = { username: 'hugo', hash: 'x' };
  const { body: client } = await call('POST', '/clients', { name: 'a service' });
  const statuses = async (name: string) => [
    (await call('POST', '/users', { ...user, user_id: name })).status,
    (await call('POST', '/users', { ...user, scopes: `account ${name}` })).status,
    (await call('PATCH', `/users/${id}`, { scopes: name })).status,
    (await call('POST', '/clients', { name: 'b', scopes: name })).status,
    (await call('PATCH', `/clients/${client.client_id}`, { scopes: `read ${name}` })).status,
  ];
  t.strictSame(await statuses('ext:partner:alice'), [400, 400, 400, 400, 400]);
  t.strictSame(await statuses('ext-client:partner:job'), [400, 400, 400, 400, 400]);
  t.strictSame(await statuses('extern:alice'), [201, 201, 200, 201, 200]);
  t.strictSame(await statuses('next:ext:alice'), [201, 201, 200, 201, 200]);
});

t.test('a campaign is asked for with the id of a key; the key itself goes nowhere', async (t) => {
  const call = await serve(
    t,
    createCampaignRoutes({ nodes: { snapshot: () => [], call: async () => ({}) } }),
  );
  const start = async (body: object) => (await call('POST', '/campaigns', body)).body;
  t.match(await start({ key: 'Zm9vYmFyYmF6cXV4' }), { error_description: /key is not valid/ });
  t.match(await start({ share: '101' }), { error_description: /share is not valid/ });
  t.match(await start({ key: 'k1', share: '100' }), { error: 'no_node' });
  t.match(await start({ key: '-' }), { error: 'no_node' });
});
