/** What dies, and what nobody may notice of it. The long form is `npm run faults`. */
import argon2 from '@node-rs/argon2';
import t from 'tap';
import { childrenOf, isAlive, isUndecided, password, startFleet, textOf, until } from './fleet.js';

const cheap = argon2.hashSync(password, { memoryCost: 19456, timeCost: 2, parallelism: 1 });

// The machine may be slow; a hang is found by the bounds inside the tests.
t.setTimeout(300_000);

/** Starting one costs more than most tests on it. */
const many = await startFleet(t, { nodes: 3 });
const few = await startFleet(t, { nodes: 1, edges: 2 });
await few.register('x');

/** An edge that is being started would just die, or hang unseen. */
const bothServe = () =>
  until('both edges serve', async () => {
    const { body } = await few.admin('GET', '/nodes');
    return JSON.stringify(body).includes('"edges":2');
  });

t.test('kill -9 of one node of three under load: nobody notices', async (t) => {
  const fleet = many;
  const names = Array.from({ length: 60 }, (_, i) => `user-${i}`);
  for (const name of names) await fleet.importUser(name, cheap);
  const failed: unknown[] = [];
  let isDone = false;
  let count = 0;
  let busy = 0;
  const client = async (k: number) => {
    for (let i = k; !isDone; i += 4) {
      const answer = await fleet.login(names[i % names.length] ?? '');
      count++;
      // `npm run faults` counts these too.
      if (isUndecided(answer)) {
        busy++;
        await fleet.signIn(names[i % names.length] ?? '');
      } else if (answer.status !== 200) failed.push({ status: answer.status, ...answer.body });
      await new Promise((resolve) => setTimeout(resolve, 150));
    }
  };
  const clients = [0, 1, 2, 3].map(client);
  for (const at of [0, 1, 2]) {
    await new Promise((resolve) => setTimeout(resolve, 300));
    fleet.nodes[at]?.child.kill('SIGKILL');
    await fleet.nodes[at]?.exited;
    await new Promise((resolve) => setTimeout(resolve, 300));
    await fleet.restartNode(at);
  }
  isDone = true;
  await Promise.all(clients);
  t.same(failed, []);
  t.ok(count > 30 && busy < count / 2, `${count} logins, ${busy} met a busy machine`);
});

t.test('registration and password change across the death of a node', async (t) => {
  const fleet = many;
  const before = await Promise.all(
    Array.from({ length: 6 }, async (_, i) => {
      await fleet.importUser(`changer-${i}`, cheap);
      return fleet.signIn(`changer-${i}`);
    }),
  );
  const next = `${password}-new`;
  const changes = before.map((answer) =>
    fleet.post(
      '/v1/password',
      { current_password: password, new_password: next },
      textOf(answer, 'access_token'),
    ),
  );
  const registrations = Array.from({ length: 4 }, (_, i) =>
    fleet.post('/v1/users', { username: `new-${i}`, password }),
  );
  await new Promise((resolve) => setTimeout(resolve, 15));
  fleet.nodes[0]?.child.kill('SIGKILL');
  for (const answer of await Promise.all(changes)) t.not(answer.status, 401, 'no false 401');
  for (const answer of await Promise.all(registrations)) t.not(answer.status, 409, 'no false 409');
  await fleet.restartNode(0);
});

t.test('kill -9 of an edge: the others go on, a new one comes', async () => {
  const fleet = few;
  const token = textOf(await fleet.signIn('x'), 'access_token');
  const [victim = 0] = fleet.edgePids();
  process.kill(victim, 'SIGKILL');
  await until('two edges again', () => fleet.edgePids().length === 2 && !isAlive(victim));
  await until('a token check', async () => (await fleet.verify(token)).status === 200);
  await fleet.signIn('x');

  await bothServe();
  const [leaver = 0] = fleet.edgePids();
  process.kill(leaver, 'SIGTERM');
  const isSeen = (line: Record<string, unknown>) =>
    line.child === leaver && line.how === 'it leaves by itself';
  await until('its place is given away at once', () => fleet.logLines().some(isSeen));
  await until('two edges again', () => fleet.edgePids().length === 2 && !isAlive(leaver), 20_000);
  await fleet.signIn('x');
});

t.test('a hung edge is killed and replaced, which a line says', async (t) => {
  const fleet = few;
  await bothServe();
  const [victim = 0] = fleet.edgePids();
  process.kill(victim, 'SIGSTOP');
  await until('the hung edge is gone', () => !isAlive(victim));
  await until('two edges again', () => fleet.edgePids().length === 2);
  const lines = fleet.logLines().filter(({ child }) => child === victim);
  const [silent, lost] = lines;
  t.match(silent, { level: 50, role: 'edge', slot: Number, msg: /^child is silent/ });
  t.match(lost, { level: 50, how: 'SIGKILL', msg: 'child lost' });
  t.equal(lines.length, 2);
});

t.test('kill -9 of the primary leaves no orphan; a new one serves again', async (t) => {
  const fleet = few;
  const token = textOf(await fleet.signIn('x'), 'access_token');
  await bothServe();
  const children = childrenOf(fleet.gatewayPid());
  t.equal(children.length, 3);
  process.kill(fleet.gatewayPid(), 'SIGKILL');
  await until('no orphans', () => !children.some(isAlive), 1000);
  await fleet.restartGateway();
  t.equal((await fleet.verify(token)).status, 200, 'tokens from before are good');
  await fleet.signIn('x');
});

t.test(
  'kill -9 of Redis: 503, never 401; checks go on; nothing acknowledged is lost',
  async (t) => {
    const fleet = few;
    const kept = await fleet.signIn('x');
    const ended = await fleet.signIn('x');
    t.equal((await fleet.post('/v1/logout', {}, textOf(ended, 'access_token'))).status, 204);
    const next = `${password}-new`;
    await fleet.redis.stop('SIGKILL');
    for (const name of ['x', 'nobody']) {
      const answer = await fleet.login(name);
      t.equal(answer.status, 503, `${name}: ${JSON.stringify(answer.body)}`);
      t.ok(answer.headers.get('retry-after'));
    }
    const token = textOf(kept, 'access_token');
    t.equal((await fleet.verify(token)).status, 200, 'token checks go on');
    t.equal((await fleet.verify(textOf(ended, 'access_token'))).status, 401, 'dead stays dead');
    t.equal((await fleet.post('/v1/logout', {}, token)).status, 503);
    t.equal(
      (await fleet.post('/v1/refresh', { refresh_token: textOf(kept, 'refresh_token') })).status,
      503,
    );
    const change = { current_password: password, new_password: next };
    t.equal((await fleet.post('/v1/password', change, token)).status, 503);
    const isSaid = ({ code, role }: Record<string, unknown>) =>
      code === 'store_unavailable' && role === 'edge';
    await until('a line says why', () => fleet.logLines().some(isSaid));
    const said = {
      level: 40,
      route: /^\/v1\//,
      err: { cause: { message: /./ } },
      left_out: Number,
    };
    t.match(fleet.logLines().find(isSaid), said);
    await fleet.redis.start();
    await until('logins again', async () => (await fleet.login('x')).status === 200);
    t.equal((await fleet.verify(textOf(ended, 'access_token'))).status, 401);
    const refreshed = await fleet.post('/v1/refresh', {
      refresh_token: textOf(kept, 'refresh_token'),
    });
    t.equal(refreshed.status, 200, 'the session is still there');
  },
);

t.test('without VERIFY_ON_STORE_LOSS the answer becomes unknown: 503', async (t) => {
  const fleet = await startFleet(t, {
    nodes: 1,
    edges: 1,
    env: { VERIFY_ON_STORE_LOSS: 'deny' },
  });
  await fleet.register('x');
  const token = textOf(await fleet.signIn('x'), 'access_token');
  await fleet.redis.stop('SIGKILL');
  await until('503', async () => (await fleet.verify(token)).status === 503, 3000);
  await fleet.redis.start();
  await until('200 again', async () => (await fleet.verify(token)).status === 200);
});

t.test('SIGHUP replaces the edges one at a time without losing a request', async (t) => {
  const fleet = few;
  const token = textOf(await fleet.signIn('x'), 'access_token');
  await bothServe();
  const before = fleet.edgePids();
  const failed: unknown[] = [];
  let isDone = false;
  const client = async () => {
    while (!isDone) {
      const answer = await fleet
        .verify(token)
        .catch((error: unknown) => ({ status: String(error) }));
      if (answer.status !== 200) failed.push(answer.status);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  };
  const clients = [client(), client(), client()];
  process.kill(fleet.gatewayPid(), 'SIGHUP');
  await until(
    'new edges',
    () => {
      const now = fleet.edgePids();
      return now.length === 2 && now.every((pid) => !before.includes(pid));
    },
    15_000,
  );
  isDone = true;
  await Promise.all(clients);
  t.same(failed, []);
});

t.test('a reload whose new edge does not become ready leaves the old ones in place', async (t) => {
  const fleet = few;
  const token = textOf(await fleet.signIn('x'), 'access_token');
  await bothServe();
  const before = fleet.edgePids();
  await fleet.redis.stop('SIGKILL');
  process.kill(fleet.gatewayPid(), 'SIGHUP');
  const isAborted = () =>
    fleet.logLines().some(({ msg }) => String(msg).startsWith('reload aborted'));
  await until('the reload is given up', isAborted, 30_000);
  await until('nobody but the old ones', () => fleet.edgePids().length === before.length);
  t.same(fleet.edgePids(), before);
  t.equal((await fleet.verify(token)).status, 200, 'they serve on');
  await fleet.redis.start();
  await until('logins again', async () => (await fleet.login('x')).status === 200);
});
