/** Campaigns on real Redis, real nodes and real threads with cheap parameters. */
import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { createLog } from '../../shared/log.js';
import { connectRedis } from '../../shared/redis.js';
import { whenReady } from '../../shared/redis-calls.js';
import { startRedis } from '../../shared/test/redis-server.js';
import { createDesk } from '../campaigns/desk.js';
import { viewCampaign } from '../campaigns/view.js';
import { createWrapRecord } from '../campaigns/wrap-record.js';
import type { NewCredential } from '../credentials/credentials.js';
import { createRedisCredentials } from '../credentials/redis.js';
import { isUsable, readHash } from '../passwords/formats/formats.js';
import { createKeyRing } from '../passwords/keys.js';
import { runWork, type Work } from '../passwords/work.js';
import { cheap, makeRuntimeDir, newId, startNode, type TestNode } from './node.js';
import { launch, settingsFor } from './process.js';

t.setTimeout(300_000);

const password = 'a';
/** The password above: bcrypt at the lowest cost, class C. */
const legacy = '$2b$05$CCCCCCCCCCCCCCCCCCCCC.crbyEJ0XFaJ9sONRyOTHdI7c4ZT.ndu';
const key = Buffer.alloc(32, 5);
const log = createLog({ level: 'silent', role: 'test' });
const redis = await startRedis(t);
const client = connectRedis({ url: redis.url, name: 'test', log, commandTimeoutMs: 5000 });
t.teardown(() => client.disconnect());
await whenReady(client, 5000);
const credentials = createRedisCredentials({ redis: client });
const desk = createDesk({ redis: client, nodeId: 'test', bootId: 'test' });

const addUsers = async (count: number, hash = legacy): Promise<string[]> => {
  const us = Array.from({ length: count }, newId);
  const recordOf = (u: string): NewCredential => ({
    ...{ name: `n-${u}`, userId: `x-${u}`, hash, scopes: '', attempt: newId() },
    norm: 'raw',
    status: 'active',
  });
  const rows = us.map((u) => ({ u, record: recordOf(u) }));
  await credentials.createMany(rows, 'insert');
  return us;
};

type View = Record<string, unknown>;
/** Polls, for as long as the test may take. */
const until = async (isIt: (view: View) => boolean): Promise<View> => {
  for (;;) {
    const view = viewCampaign(await desk.show()) ?? {};
    if (isIt(view)) return view;
    await sleep(50);
  }
};
const isOver = ({ status }: View) => ['done', 'refused', 'cancelled'].includes(String(status));

/** A node that is busy or was stalled says 503: it is asked again. */
const decided = async (node: TestNode, method: string, path: string, body?: object) => {
  for (;;) {
    const text = body === undefined ? '' : JSON.stringify(body);
    const answer = await node.send(method, path, text);
    if (answer.status !== 503) return answer;
    await sleep(20);
  }
};
const begin = (node: TestNode, options: object = {}) =>
  decided(node, 'POST', '/campaign', { id: newId(), share: '100', ...options });
const login = async (node: TestNode, u: string, password: string) =>
  (await decided(node, 'POST', '/login', { u, password })).body.outcome;

/** A node that is killed in the middle of a page; the node that finishes it serves all other tests. */
const us = await addUsers(120);
const victim = launch(t, settingsFor('victim', redis.url, makeRuntimeDir(t)));
await victim.said();
await desk.start(newId(), { isDryRun: false, key: '-', isForced: false, share: 100 });
await until(({ wrapped, nodes }) => Number(wrapped) > 0 && String(nodes) === 'victim');
victim.child.kill('SIGKILL');
await victim.exited;
const given = { redisUrl: redis.url, passwordKeys: { wk1: key } };
const a = await startNode(t, { ...given, nodeId: 'a' });

t.test('a killed node’s page is finished by another, each record once', async (t) => {
  t.match(await until(isOver), { status: 'done', wrapped: 120, changed: 0, failed: 0 });
  for (const u of us) t.match(await credentials.find(u), { version: '2', norm: 'raw' });
  t.equal(await login(a, us[0] ?? '', password), 'ok');
});

t.test('counts first, then wraps, over two nodes; a login unwraps', async (t) => {
  await client.flushall();
  const b = await startNode(t, { ...given, nodeId: 'b', passwordPepper: 'wk1' });
  const us = await addUsers(200);
  await addUsers(3, 'not a hash');
  const fine = newId();
  const today = 'a password of today';
  const of = { password: today, user_id: `u_${fine}`, scopes: '' };
  await decided(b, 'POST', '/register', { u: fine, ...of });
  const { body } = await decided(a, 'GET', '/campaign');
  t.same(body, { campaign: null }, 'there has never been one');

  t.equal((await begin(a, { dry_run: true, key: 'wk1' })).status, 200);
  const counted = await until(isOver);
  t.match(counted, { status: 'done', dry_run: true, seen: 204, due: 200, wrapped: 0 });
  t.match(counted.formats, [
    { class: 'B', format: 'argon2', seen: 1 },
    { class: 'C', format: 'bcrypt', seen: 200 },
    { class: 'unusable', format: 'hash_unknown', seen: 3 },
  ]);
  t.match(await credentials.find(us[0] ?? ''), { hash: legacy, version: '1' });

  t.equal((await begin(a, { key: 'wk1' })).status, 200);
  t.equal((await begin(b)).status, 409, 'one at a time');
  t.match(await until(isOver), { status: 'done', due: 200, wrapped: 200, changed: 0, failed: 0 });
  for (const u of us) {
    const record = await credentials.find(u);
    t.match(record, { version: '2', norm: 'raw', gen: 1 });
    t.match(record?.hash, /^\$wrap1\$in=bcrypt,k=wk1\$/);
  }
  t.match(await credentials.find(fine), { version: '1' }, 'strong ones are left alone');
  t.match((await credentials.find(fine))?.hash, /,keyid=d2sx\$/, 'a new one names its pepper');
  t.equal(await login(a, fine, today), 'ok', 'a node that has the key reads it');

  await begin(b, { key: 'wk1' });
  t.match(await until(isOver), { status: 'done', due: 0, wrapped: 0 }, 'nothing is wrapped twice');

  const u = us[7] ?? '';
  t.equal(await login(a, u, 'b'), 'denied');
  t.equal(await login(a, u, password), 'ok');
  // A busy node leaves the migration to the next login.
  for (let tries = 0; tries < 100; tries++) {
    if ((await credentials.find(u))?.version === '3') break;
    await sleep(50);
    await login(b, u, password);
  }
  t.match(await credentials.find(u), { version: '3', norm: 'nfc' });
  t.match((await credentials.find(u))?.hash, /^\$argon2id\$/);
});

t.test('logins during a campaign always win', async (t) => {
  await client.flushall();
  const us = await addUsers(60);
  const active = us.slice(0, 30);
  const read = async (u: string) => {
    const { hash = '', version = '' } = (await credentials.find(u)) ?? {};
    const usable = readHash(hash);
    if (!isUsable(usable)) throw new Error(usable);
    return { hash, version, format: usable.format };
  };
  const migrated = async () => {
    const records = await Promise.all(active.map(read));
    return new Map(
      active.flatMap((u, i) => (records[i]?.format === 'argon2' ? [[u, records[i]]] : [])),
    );
  };
  // So slowly that it does not end before it is told to hurry.
  await begin(a, { share: '1' });
  let before = await migrated();
  const crowd = await Promise.all(active.map((u) => login(a, u, password)));
  t.same(new Set(crowd), new Set(['ok']));
  // A crowd leaves a node no time to migrate: they come once more, one by one.
  for (let k = 0; k < 1000 && before.size < 5; k++) {
    t.equal(await login(a, active[k % 30] ?? '', password), 'ok');
    await sleep(20);
    before = await migrated();
  }
  t.ok(before.size >= 5, 'logins have migrated');
  t.notOk(isOver(await until(() => true)), 'while it runs');
  await decided(a, 'POST', '/campaign/share', { share: '100' });
  const done = await until(isOver);
  t.match(done, { status: 'done', failed: 0 });
  t.ok(Number(done.wrapped) >= 30, 'and it has wrapped the others');
  for (const [u, record] of before) t.same(await read(u), record, 'never undone');
  for (const u of us) {
    const { format, version } = await read(u);
    // A wrap, a migration, or both in this order.
    t.ok(format === 'wrap1' ? version === '2' : format === 'argon2', u);
    t.ok(Number(version) <= 3);
  }
  t.equal(await login(a, us[0] ?? '', password), 'ok');
});

t.test('a record that a login migrates while it is wrapped stays migrated', async (t) => {
  const [u = ''] = await addUsers(1);
  const keys = createKeyRing({ keys: {} });
  const wrapRecord = createWrapRecord({ credentials, keys, target: cheap, log });
  const migrated = String(runWork(['hash', password, 64, 1, 1]));
  const run = async (work: Work) => {
    const seen = await credentials.find(u);
    if (seen?.hash === legacy) await credentials.replaceHash(u, seen, migrated, 'nfc');
    return runWork(work);
  };
  const campaign = { id: newId(), key: '-', isForced: false, share: 100, isCounting: false };
  const page = { campaign, owner: 'test', page: '1', rows: [] };
  t.equal(await wrapRecord(page, { u, name: '', format: 'bcrypt' }, run), 'changed');
  t.match(await credentials.find(u), { hash: migrated, version: '2', norm: 'nfc' });
});

t.test('hashes without salt demand a key, unless they are forced', async (t) => {
  await client.flushall();
  const digest = createHash('md5').update(password).digest('base64').replace(/=+$/, '');
  const us = await addUsers(5, `$x-digest$alg=md5,o=p,salt=$${digest}`);
  await begin(a);
  t.match(await until(isOver), { status: 'refused', due: 5, due_class_e: 5, wrapped: 0 });
  await begin(a, { force: true });
  t.match(await until(isOver), { status: 'done', wrapped: 5 });
  for (const u of us) t.match((await credentials.find(u))?.hash, /^\$wrap1\$in=digest,k=0\$/);
  t.equal(await login(a, us[0] ?? '', password), 'ok');
  t.equal(await login(a, us[1] ?? '', digest), 'denied');
});

t.test('pause, resume, cancel; what is not there cannot be steered', async (t) => {
  await client.flushall();
  const steer = (verb: string) => decided(a, 'POST', `/campaign/${verb}`);
  t.equal((await steer('pause')).status, 409);
  await addUsers(300);
  await begin(a, { share: '5' });
  t.equal((await steer('pause')).status, 200);
  const isAtRest = ({ status, nodes }: View) => status === 'paused' && String(nodes) === '';
  const paused = await until(isAtRest);
  t.equal((await steer('pause')).status, 200, 'repeatable');
  await sleep(300);
  t.equal((await until(isAtRest)).wrapped, paused.wrapped, 'nothing is done meanwhile');
  await decided(a, 'POST', '/drain');
  t.equal((await steer('resume')).status, 200);
  await sleep(300);
  t.match(await until(() => true), { wrapped: paused.wrapped, nodes: [] }, 'drained nodes rest');
  await decided(a, 'POST', '/undrain');
  await until(({ wrapped }) => Number(wrapped) > Number(paused.wrapped));
  const share = (value: string) => decided(a, 'POST', '/campaign/share', { share: value });
  t.equal((await share('0')).status, 400);
  const owners = async () => String((await desk.show()).owners);
  const before = await owners();
  t.equal((await share('60')).status, 200);
  t.match(await until(() => true), { share: 60, status: 'wrapping' });
  // At 5 % a page takes more than a minute: whoever has one gives it up and takes it anew.
  let now = before;
  for (let tries = 0; (now === before || now === '') && tries < 200; tries++) {
    await sleep(50);
    now = await owners();
  }
  t.not(now, before, 'in force within a page');
  t.match(now, /^a /);
  t.equal((await steer('cancel')).status, 200);
  t.match(await until(isOver), { status: 'cancelled', nodes: [] });
  t.equal((await steer('resume')).status, 409);
  t.equal((await share('60')).status, 409);
  for (const bad of [{ key: 'nope' }, { share: '0' }, { share: '101' }, { id: 'x' }, { more: '1' }])
    t.equal((await begin(a, bad)).status, 400, JSON.stringify(bad));
});
