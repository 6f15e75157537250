/**
 * The whole of Floodgate on a real Cluster and on a real Sentinel set, as an ACL user: the main job with
 * the scripts flushed between its steps, on the Cluster also an import and a campaign, then the death of
 * a master under load. Afterwards what was acknowledged must be true for a gateway that has nothing in
 * memory.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { slotOf } from '../../../shared/redis-slot.js';
import { type Member, startCluster, startSentinel } from '../../../shared/test/redis-topology.js';
import { bulkEnv, moveInBulk } from './bulk.js';
import { type Answer, decided, type Fleet, password, startFleet, textOf, until } from './fleet.js';
import { basic, createRig, fieldsOf } from './oauth-rig.js';

t.setTimeout(300_000);
// They mostly wait: for servers to find each other, and to notice that one is gone.
t.jobs = 2;

// As README.md says: what the programs need, and nothing dangerous beyond it.
const user = 'floodgate:a-password';
const aclArgs = [
  ...['--user', 'floodgate', 'on', '>a-password', '~*', '&*'],
  ...['+@all', '-@dangerous', '+info', '+config|get'],
];
const users = 16;
const next = `${password}-new`;

const open = (t: Test, url: string) =>
  startFleet(t, {
    env: {
      ...{ REDIS_URL: url, TRUSTED_PROXIES: '127.0.0.1', VERIFY_ON_STORE_LOSS: 'allow:60s' },
      ...bulkEnv,
    },
  });

/** Each client has an address of its own, or the limits of one address would decide. */
const clientOf = (fleet: Fleet, i: number) => fleet.client(`10.1.${i >> 8}.${(i & 255) + 1}`);

const walk = async (t: Test, fleet: Fleet, members: readonly Member[]) => {
  const { post, verify } = fleet;
  const flush = () => Promise.all(members.map((member) => member.ask('SCRIPT', 'FLUSH')));
  const step = async (expected: number, ask: () => Promise<Answer>, what: string) => {
    await flush();
    const answer = await decided(ask);
    t.equal(answer.status, expected, what);
    return answer;
  };
  await step(201, () => post('/v1/users', { username: 'alice', password }), 'register');
  const first = await step(200, () => fleet.login('alice'), 'login');
  await step(401, () => fleet.login('alice', 'wrong password'), 'wrong password');
  const token = textOf(first, 'access_token');
  await step(200, () => verify(token), 'verify');
  const refresh = { refresh_token: textOf(first, 'refresh_token') };
  const second = await step(200, () => post('/v1/refresh', refresh), 'refresh');
  const change = { current_password: password, new_password: next };
  const fresh = textOf(second, 'access_token');
  const third = await step(200, () => post('/v1/password', change, fresh), 'password');
  await until('the old token is refused', async () => (await verify(token)).status === 401);
  const last = textOf(third, 'access_token');
  await step(204, () => post('/v1/logout', {}, last), 'logout');
  await until('the last token is refused', async () => (await verify(last)).status === 401);
  await step(401, () => fleet.login('alice'), 'the old password');
  await step(200, () => fleet.login('alice', next), 'the new password');
};

type Person = { i: number; name: string; leaves: Answer; stays: Answer };
/** What a person was told; `errors` counts the 503 and 504 on the way. */
type Told = { person: Person; left: boolean; changed: boolean; errors: number; odd: string[] };

const meet = async (fleet: Fleet, i: number): Promise<Person> => {
  const client = clientOf(fleet, i);
  const name = `person-${i}`;
  await decided(() => client.post('/v1/users', { username: name, password }));
  const [leaves, stays] = [
    await decided(() => client.login(name)),
    await decided(() => client.login(name)),
  ];
  if (leaves.status !== 200 || stays.status !== 200)
    throw new Error(`${name}: ${leaves.status} ${stays.status}`);
  return { i, name, leaves, stays };
};

/** Repeats what is safe to repeat until it is decided. */
const insist = async (told: Told, ask: () => Promise<Answer>): Promise<number> => {
  const end = Date.now() + 40_000;
  for (;;) {
    const { status } = await ask();
    if (![503, 504].includes(status) || Date.now() > end) return status;
    told.errors++;
    await sleep(250);
  }
};

const act = async (fleet: Fleet, person: Person): Promise<Told> => {
  const told: Told = { person, left: false, changed: false, errors: 0, odd: [] };
  const { post } = clientOf(fleet, person.i);
  const leave = textOf(person.leaves, 'access_token');
  const left = await insist(told, () => post('/v1/logout', {}, leave));
  told.left = left === 204;
  if (!told.left) told.odd.push(`logout ${left}`);
  const change = { current_password: password, new_password: next };
  const stay = textOf(person.stays, 'access_token');
  const changed = await insist(told, () => post('/v1/password', change, stay));
  told.changed = changed === 200;
  // 401: its first try was done, and published before the repeat came; nothing was acknowledged.
  if (!told.changed && changed !== 401) told.odd.push(`password ${changed}`);
  return told;
};

/** Everyone leaves one session and changes the password, spread over `overMs`; `kill` comes early. */
const underFire = async (fleet: Fleet, people: Person[], overMs: number, kill: () => unknown) => {
  const acts = people.map(async (person, at) => {
    await sleep((overMs / people.length) * at);
    return act(fleet, person);
  });
  await sleep(overMs / 4);
  await kill();
  return Promise.all(acts);
};

/** What a gateway without memory says about everything that was acknowledged. */
const findLost = async (fleet: Fleet, all: Told[]): Promise<string[]> => {
  const lost: string[] = [];
  for (const { person, left, changed } of all) {
    const { post, login } = clientOf(fleet, person.i);
    const is = async (expected: number, what: string, ask: () => Promise<Answer>) => {
      const { status } = await decided(ask);
      if (status !== expected) lost.push(`${person.name} ${what}: ${status}`);
    };
    if (left) {
      await is(401, 'ended token', () => fleet.verify(textOf(person.leaves, 'access_token')));
      const body = { refresh_token: textOf(person.leaves, 'refresh_token') };
      await is(401, 'ended refresh token', () => post('/v1/refresh', body));
    }
    if (changed) {
      await is(401, 'token from before', () => fleet.verify(textOf(person.stays, 'access_token')));
      await is(401, 'old password', () => login(person.name));
      await is(200, 'new password', () => login(person.name, next));
    }
  }
  return lost;
};

const survive = async (t: Test, fleet: Fleet, kill: () => Promise<unknown>) => {
  const people: Person[] = [];
  for (let i = 0; i < users; i++) people.push(await meet(fleet, i));
  const told = await underFire(fleet, people, 8000, kill);
  const sum = (pick: (one: Told) => number) => told.reduce((total, one) => total + pick(one), 0);
  t.comment(
    `${sum(({ left }) => Number(left))} logouts and ${sum(({ changed }) => Number(changed))} password changes acknowledged, ${sum(({ errors }) => errors)} answers of 503 or 504`,
  );
  t.same(
    told.flatMap(({ odd }) => odd),
    [],
    'nothing but 503 and 504 on the way',
  );
  t.equal(
    sum(({ left }) => Number(left)),
    users,
    'service is back by itself: every logout',
  );
  t.ok(sum(({ changed }) => Number(changed)) >= users / 2, 'and password changes');

  const gone = fleet.gateway();
  gone.child.kill('SIGTERM');
  await gone.exited;
  await fleet.restartGateway();
  t.same(await findLost(fleet, told), [], 'nothing acknowledged is lost');
};

t.test('a Cluster: the main job, users in bulk, and kill -9 of a shard', async (t) => {
  const cluster = await startCluster(t, { args: aclArgs });
  const fleet = await open(t, cluster.urlWith(user));
  await walk(t, fleet, cluster.members);
  await moveInBulk(t, fleet, (at) => `10.2.0.${at + 1}`);
  await survive(t, fleet, async () => {
    const master = await cluster.masterOf(slotOf('revocations'));
    await master.stop('SIGKILL');
    // Its supervisor starts it again; until then no replica can confirm what the new master writes.
    await sleep(4000);
    await master.start();
  });
});

/** What must be confirmed by a replica is 503 until there is one, again and again; nobody is kept from signing in. */
const goWithout = async (t: Test, fleet: Fleet, replicas: readonly Member[]) => {
  const { post, addClient } = await createRig(t, fleet);
  const client = await addClient();
  await fleet.register('lena');
  const token = textOf(await fleet.signIn('lena'), 'access_token');
  const grant = await post('/oauth/token', { grant_type: 'client_credentials' }, basic(client));
  const issued = String(fieldsOf(grant).access_token);
  const revoke = () => post('/oauth/revoke', { token: issued }, basic(client));
  const logOut = () => fleet.post('/v1/logout', {}, token);

  for (const replica of replicas) process.kill(replica.pid(), 'SIGSTOP');
  for (let i = 0; i < 2; i++) {
    t.match(await logOut(), { status: 503, body: { error: 'store_unavailable' } });
    t.equal((await revoke()).status, 503);
    t.equal(
      (await decided(() => fleet.login('lena'))).status,
      200,
      'an end that waits hinders nobody',
    );
  }
  for (const replica of replicas) process.kill(replica.pid(), 'SIGCONT');
  await until('a replica confirms the logout', async () => (await logOut()).status === 204);
  await until('and the revocation', async () => (await revoke()).status === 200);
  for (const ended of [token, issued]) t.equal((await fleet.verify(ended)).status, 401);
};

t.test('a Sentinel set: the main job, and kill -9 of the master', async (t) => {
  const set = await startSentinel(t, { args: aclArgs, password: 'sentinel-word' });
  const url = `${set.urlWith(user)}?sentinel_password=sentinel-word`;
  const fleet = await open(t, url);
  await walk(t, fleet, set.servers);
  const master = await set.master();
  await goWithout(
    t,
    fleet,
    set.servers.filter((server) => server !== master),
  );
  await survive(t, fleet, async () => (await set.master()).stop('SIGKILL'));
});
