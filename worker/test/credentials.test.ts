import t from 'tap';
import { codeOf } from '../../shared/errors.js';
import { createLog } from '../../shared/log.js';
import { connectRedis } from '../../shared/redis.js';
import { whenReady } from '../../shared/redis-calls.js';
import { startRedis } from '../../shared/test/redis-server.js';
import type { NewCredential } from '../credentials/credentials.js';
import { createRedisCredentials } from '../credentials/redis.js';
import { newId } from './node.js';

const log = createLog({ level: 'silent', role: 'test' });
const redis = await startRedis(t);
const client = connectRedis({ url: redis.url, name: 'test', log });
t.teardown(() => client.disconnect());
await whenReady(client, 2000);
const credentials = createRedisCredentials({ redis: client });

const record = (attempt = newId()): NewCredential => ({
  userId: 'u_1',
  hash: 'first',
  norm: 'nfc',
  scopes: 'account',
  attempt,
  status: 'active',
  name: 'ada',
});

const create = async () => {
  const u = newId();
  await credentials.create(u, record());
  const found = await credentials.find(u);
  if (found === undefined) throw new Error('the record is not there');
  return { u, found };
};

t.test('what was created is found', async (t) => {
  const u = newId();
  t.equal(await credentials.find(u), undefined);
  const made = await credentials.create(u, record('attempt-1'));
  t.same(made, { outcome: 'ok', userId: 'u_1', scopes: 'account', gen: 1 });
  t.same(await credentials.find(u), {
    userId: 'u_1',
    hash: 'first',
    version: '1',
    norm: 'nfc',
    scopes: 'account',
    attempt: 'attempt-1',
    gen: 1,
    isActive: true,
    name: 'ada',
  });
});

t.test('creating is idempotent by attempt id, and by nothing else', async (t) => {
  const u = newId();
  const first = record('attempt-1');
  await credentials.create(u, first);
  const again = await credentials.create(u, { ...first, userId: 'u_2', hash: 'second' });
  t.same(again, { outcome: 'ok', userId: 'u_1', scopes: 'account', gen: 1 });
  t.same(await credentials.create(u, record('attempt-2')), { outcome: 'exists' });
  t.match(await credentials.find(u), { hash: 'first', version: '1', gen: 1 });
});

t.test('a name used again after deletion continues the generations of the old one', async (t) => {
  const { u, found } = await create();
  await credentials.changePassword(u, found, { hash: 'second', attempt: newId() });
  t.equal(await credentials.remove(u), true);
  t.equal(await credentials.remove(u), false);
  t.equal(await credentials.find(u), undefined);
  t.same(await client.hmget(`user:{${u}}`, 'gen', 'status'), ['3', 'deleted']);
  t.match(await credentials.create(u, record()), { outcome: 'ok', gen: 4 });
});

t.test('a hash is replaced only while hash and version are those that were seen', async (t) => {
  const { u, found } = await create();
  t.equal(await credentials.replaceHash(u, { ...found, version: '2' }, 'x'), false);
  t.equal(await credentials.replaceHash(u, { ...found, hash: 'other' }, 'x'), false);
  t.equal(await credentials.replaceHash(u, found, 'second'), true);
  t.equal(await credentials.replaceHash(u, found, 'third'), false);
  t.match(await credentials.find(u), {
    hash: 'second',
    version: '2',
    gen: 1,
    attempt: found.attempt,
  });
  t.equal(await credentials.replaceHash(newId(), found, 'x'), false, 'nothing there');
});

t.test('the version tells apart what the hash alone does not', async (t) => {
  const { u, found } = await create();
  const second = { ...found, hash: 'second', version: '2' };
  await credentials.replaceHash(u, found, 'second');
  await credentials.replaceHash(u, second, 'first');
  t.equal(await credentials.replaceHash(u, found, 'third'), false);
});

t.test('a password change raises the generation once per attempt', async (t) => {
  const { u, found } = await create();
  const change = { hash: 'second', attempt: newId() };
  t.equal(await credentials.changePassword(u, found, change), 2);
  t.equal(await credentials.changePassword(u, found, change), 2, 'a repeat finds its own write');
  const other = { hash: 'third', attempt: newId() };
  t.equal(await credentials.changePassword(u, found, other), undefined, 'a stale one does not');
  t.match(await credentials.find(u), { hash: 'second', version: '2', gen: 2 });
});

t.test('a disabled account changes nothing', async (t) => {
  const { u, found } = await create();
  await client.hset(`user:{${u}}`, 'status', 'disabled');
  const change = { hash: 'second', attempt: newId() };
  t.equal(await credentials.changePassword(u, found, change), undefined);
  t.match(await credentials.find(u), { hash: 'first', isActive: false });
});

t.test('many are imported in order, and a repeat finds its own writes', async (t) => {
  const taken = await create();
  const rows = [
    { u: newId(), record: record('a') },
    { u: taken.u, record: record('b') },
    { u: newId(), record: { ...record('c'), userId: 'u_3' } },
  ];
  const outcomes = [
    { outcome: 'ok', userId: 'u_1', scopes: 'account', gen: 1 },
    { outcome: 'exists' },
    { outcome: 'ok', userId: 'u_3', scopes: 'account', gen: 1 },
  ];
  t.same(await credentials.createMany(rows, 'insert'), outcomes);
  t.same(await credentials.createMany(rows, 'insert'), outcomes);
  t.same(await credentials.createMany([], 'insert'), []);
});

t.test('an import replaces what an import wrote, and nothing that changed since', async (t) => {
  const [u, v, w] = [newId(), newId(), newId()];
  await credentials.createMany(
    [u, v].map((key) => ({ u: key, record: record() })),
    'insert',
  );
  await credentials.create(w, record());
  const seen = await credentials.find(v);
  if (seen !== undefined) t.equal(await credentials.replaceHash(v, seen, 'migrated'), true);
  const other = { hash: 'other', userId: 'x_1' };
  const again = [u, v, w].map((key) => ({ u: key, record: { ...record(), ...other } }));
  const [first, ...rest] = await credentials.createMany(again, 'replace-imported');
  t.match(first, { outcome: 'ok', userId: 'u_1', gen: 2 }, 'the user id stays');
  t.same(rest, [{ outcome: 'exists' }, { outcome: 'exists' }]);
  t.match(await credentials.find(u), { hash: 'other', version: '2', userId: 'u_1' });
  t.match(await credentials.find(v), { hash: 'migrated' });
});

t.test('scopes are set where there is a record', async (t) => {
  const { u } = await create();
  t.equal(await credentials.setScopes(u, 'account admin'), true);
  t.match(await credentials.find(u), { scopes: 'account admin', version: '1', gen: 1 });
  t.equal(await credentials.setScopes(newId(), 'admin'), false);
});

t.test('a scan sees every record, changed or not meanwhile', async (t) => {
  const us = await Promise.all(Array.from({ length: 300 }, async () => (await create()).u));
  const seen = new Set<string>();
  let cursor = '';
  do {
    const page = await credentials.scan(cursor, 50);
    cursor = page.cursor;
    for (const { u, credential } of page.rows) {
      seen.add(u);
      t.ok(credential.hash);
    }
    await create();
  } while (cursor !== '');
  t.same(
    us.filter((u) => !seen.has(u)),
    [],
  );
});

t.test('of two changes at once one wins, 100 times', async (t) => {
  for (let i = 0; i < 100; i++) {
    const { u, found } = await create();
    const hashes = ['left', 'right'];
    const gens = await Promise.all(
      hashes.map((hash) => credentials.changePassword(u, found, { hash, attempt: newId() })),
    );
    const winner = hashes.filter((_, index) => gens[index] !== undefined);
    const now = await credentials.find(u);
    if (winner.length !== 1 || now?.hash !== winner[0] || now?.gen !== 2)
      t.fail(`round ${i}: ${gens} ${now?.hash}`);
  }
});

t.test('a store that is away is said to be, at once', async (t) => {
  const own = await startRedis(t);
  const lost = connectRedis({ url: own.url, name: 'lost', log });
  t.teardown(() => lost.disconnect());
  await whenReady(lost, 2000);
  const parts = createRedisCredentials({ redis: lost });
  await own.stop('SIGKILL');
  const startedAt = performance.now();
  t.equal(await parts.find(newId()).catch(codeOf), 'store_unavailable');
  t.ok(performance.now() - startedAt < 300);
});

t.test('a store that hangs is given up on', async (t) => {
  const own = await startRedis(t);
  const hung = connectRedis({ url: own.url, name: 'hung', log });
  t.teardown(() => hung.disconnect());
  await whenReady(hung, 2000);
  const parts = createRedisCredentials({ redis: hung });
  process.kill(own.pid(), 'SIGSTOP');
  t.equal(await parts.find(newId()).catch(codeOf), 'store_unavailable');
  process.kill(own.pid(), 'SIGCONT');
});
