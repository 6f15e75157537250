/** Calls of the admin port over a real Redis, where what nodes and edges do can be decided by the test. */
import t, { type Test } from 'tap';
import { AppError } from '../../../shared/errors.js';
import { createHttp, type Route } from '../../../shared/http.js';
import { listen } from '../../../shared/listen.js';
import type { Verdict } from '../../../shared/protocol.js';
import { startRedis } from '../../../shared/test/redis-server.js';
import { createAccountRoutes } from '../../admin/routes/accounts.js';
import { createCampaignRoutes } from '../../admin/routes/campaigns.js';
import { createClientRoutes } from '../../admin/routes/clients.js';
import { createNodeRoutes } from '../../admin/routes/nodes.js';
import { createUserRoutes } from '../../admin/routes/users.js';
import { createExportRoutes } from '../../admin/routes/users-export.js';
import { createClientRegistry } from '../../clients/registry.js';
import { createClaims } from '../../import/claims.js';
import type { Job } from '../../nodes/nodes.js';
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
    let answer: (job: Job) => Partial<Verdict> = ({ body }) => ({
      user_id: String(Reflect.get(body, 'user_id')),
    });
    const submit = async (job: Job): Promise<Verdict> => {
      const verdict = { attempt_id: job.attemptId, gen: 1, scopes: '', user_id: '' };
      return { ...verdict, outcome: 'ok', ...answer(job) };
    };
    const nodes = { submit };
    const call = await serve(
      t,
      createUserRoutes({
        claims: createClaims({ redis }),
        nodes,
        accounts,
        defaultScopes: 'account',
      }),
    );
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

    answer = () => ({ outcome: 'exists' });
    t.equal((await add('ben', { user_id: '8' })).status, 409);
    t.equal(await holder('8'), null, 'free again');

    answer = () => ({ user_id: '17' });
    t.match(await add('ben', { user_id: '8' }), { status: 201, body: { user_id: '17' } });
    t.equal(await holder('8'), null, 'a table that counts gave another');

    answer = () => {
      throw new AppError('no_node');
    };
    t.equal((await add('ann', { user_id: '9' })).status, 503);
    t.equal(await holder('9'), u, 'it may have been written');
    answer = ({ body }) => ({ user_id: String(Reflect.get(body, 'user_id')) });
    t.equal((await add('ben', { user_id: '9' })).status, 201, 'it was not');
    t.equal(await holder('9'), accounts('ben').u);

    for (const [field, value] of Object.entries({ scopes: '', status: 'gone', user_id: 'u_1' }))
      t.equal((await add('cleo', { [field]: value })).status, 400, field);
  },
);

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
  const submit = async ({ attemptId, body }: Job): Promise<Verdict> => ({
    ...{ attempt_id: attemptId, gen: 1, scopes: '', outcome: 'ok' },
    user_id: String(Reflect.get(body, 'user_id')),
  });
  const call = await serve(t, [
    ...createUserRoutes({
      ...{ claims: createClaims({ redis }), nodes: { submit }, accounts, defaultScopes: '' },
    }),
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
