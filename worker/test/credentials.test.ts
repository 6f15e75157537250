import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { codeOf } from '../../shared/errors.js';
import { createLog } from '../../shared/log.js';
import { connectRedis, quitRedis } from '../../shared/redis.js';
import { whenReady } from '../../shared/redis-calls.js';
import { openStore } from '../../shared/store.js';
import { startRedis } from '../../shared/test/redis-server.js';
import type { NewCredential } from '../credentials/credentials.js';
import { openCredentials } from '../credentials/open.js';
import { openPostgres } from '../credentials/postgres-client.js';
import { parsePostgresUrl } from '../credentials/postgres-url.js';
import { createRedisCredentials } from '../credentials/redis.js';
import type { CredentialsSettings } from '../credentials/settings.js';
import { readTableMap } from '../credentials/table-map.js';
import { createTranslate, readDeclaration } from '../passwords/formats/translate.js';
import { createKeyRing } from '../passwords/keys.js';
import { nameOf, recordOf, testStore } from './conformance.js';
import { newId } from './node.js';
import { noPostgres, startPostgres } from './postgres-server.js';

t.setTimeout(120_000);
const log = createLog({ level: 'silent', role: 'test' });
const server = await startRedis(t);
const redis = connectRedis({ url: server.url, name: 'test', log, commandTimeoutMs: 5000 });
t.teardown(() => redis.disconnect());
await whenReady(redis, 5000);

/** A busy machine is not the subject. */
const limits = { readMs: 5000, writeMs: 5000, bulkMs: 10_000 };
const same = (text: string) => text;
const open = async (settings: CredentialsSettings) => {
  const { credentials, close } = await openCredentials({
    settings,
    redis,
    translate: same,
    log,
    limits,
  });
  t.teardown(close);
  return credentials;
};

const table = {
  ...{ table: 'app.users', id: 'id', login: 'login', hash: 'pass', isLower: false },
  ...{ status: undefined, version: undefined, format: undefined, defaultScopes: 'account' },
};
const foreign = `
CREATE SCHEMA app;
CREATE TABLE app.users (id serial PRIMARY KEY, login text UNIQUE NOT NULL, pass text NOT NULL,
  seen timestamptz DEFAULT now());
CREATE TABLE app."Members" ("Key" varchar(64) PRIMARY KEY, "E-Mail" varchar(320) NOT NULL,
  pw varchar(255), state smallint NOT NULL, ver integer NOT NULL DEFAULT 0);
CREATE UNIQUE INDEX ON app."Members" (lower("E-Mail"))`;
const members = {
  ...table,
  ...{
    table: 'app.Members',
    id: 'Key',
    login: 'E-Mail',
    hash: 'pw',
    version: 'ver',
    isLower: true,
  },
  status: { column: 'state', active: ['1', '2'] },
};

t.test('Redis', async (t) => {
  testStore(t, { credentials: createRedisCredentials({ redis }), redis, isForeign: false });

  t.test('a store that hangs is given up on', async (t) => {
    const own = await startRedis(t);
    const hung = connectRedis({ url: own.url, name: 'hung', log });
    t.teardown(() => hung.disconnect());
    await whenReady(hung, 5000);
    const parts = createRedisCredentials({ redis: hung });
    process.kill(own.pid(), 'SIGSTOP');
    t.equal(await parts.find(newId()).catch(codeOf), 'store_unavailable');
    process.kill(own.pid(), 'SIGCONT');
  });

  t.test('a store that is away is said to be, at once', async (t) => {
    const own = await startRedis(t);
    const lost = connectRedis({ url: own.url, name: 'lost', log });
    t.teardown(() => lost.disconnect());
    await whenReady(lost, 5000);
    const parts = createRedisCredentials({ redis: lost });
    await own.stop('SIGKILL');
    t.equal(await parts.find(newId()).catch(codeOf), 'store_unavailable');
  });
});

/** A change of password loses the database between its beginning and its end. */
const testInterrupted = (t: Test, settings: CredentialsSettings, lock: () => Promise<unknown>) => {
  t.test('an interrupted change of password', async (t) => {
    const { credentials, close } = await openCredentials({
      ...{ settings, redis, translate: same, log, limits: { ...limits, writeMs: 500 } },
    });
    t.teardown(close);
    const u = newId();
    const find = async () => {
      const found = await credentials.find(u, nameOf(u));
      if (found === undefined) throw new Error('not there');
      return found;
    };
    await credentials.create(u, recordOf(u));
    const locked = lock();
    await sleep(300);
    const change = { hash: 'second', attempt: newId() };
    const failed = await credentials.changePassword(u, await find(), change).catch(codeOf);
    t.equal(failed, 'store_unavailable');
    await locked;
    const found = await find();
    t.match(found, { gen: 1, pending: change.attempt }, 'reading alone changes nothing');
    const other = { hash: 'third', attempt: newId() };
    const stale = { ...found, hash: 'another', stored: 'another' };
    t.equal(await credentials.changePassword(u, stale, other), undefined, 'another one gives up');
    t.match(await find(), { gen: 1, pending: change.attempt });
    t.equal(await credentials.settle(u, change.attempt), 2, 'whoever signs in next');
    t.equal(await credentials.settle(u, change.attempt), undefined, 'once');
    t.equal(await credentials.changePassword(u, await find(), change), 3, 'or its own repeat');
    t.match(await find(), { hash: 'second', gen: 3, pending: '' });
  });
};

t.test('PostgreSQL', { skip: noPostgres }, async (t) => {
  const postgres = await startPostgres(t);
  await postgres.ask(foreign);
  const given = { url: postgres.url, connections: 4 };
  /** Nobody writes there for two seconds. */
  const lockOf = (name: string) => () =>
    postgres.ask(`BEGIN; LOCK TABLE ${name} IN SHARE MODE; SELECT pg_sleep(2); COMMIT`);

  t.test('a table of our own', async (t) => {
    const settings = { ...given, table: undefined };
    // Several nodes start at once.
    const [credentials] = await Promise.all([open(settings), open(settings), open(settings)]);
    if (credentials === undefined) return;
    testStore(t, { credentials, redis, isForeign: false });
    testInterrupted(t, settings, lockOf('floodgate.credentials'));
    t.test('who only looks at an account that Redis does not know leaves nothing', async (t) => {
      const u = newId();
      await credentials.create(u, recordOf(u));
      await redis.del(`user:{${u}}`);
      const looked = await credentials.findMany([{ u, name: nameOf(u) }]);
      t.match(looked, [{ hash: 'first', isActive: true, gen: 0 }]);
      t.equal(await redis.exists(`user:{${u}}`), 0);
      t.match(await credentials.find(u), { hash: 'first', isActive: true, gen: 1 });
    });
  });

  t.test('whom an operator disabled stays so when Redis has lost everything', async (t) => {
    const credentials = await open({ ...given, table: undefined });
    const u = newId();
    const imported = { ...recordOf(u), userId: 'one' };
    await credentials.createMany([{ u, record: imported }], 'insert');
    const account = { u, userId: 'one' };
    const isActive = async () => {
      await redis.del(`user:{${u}}`);
      return (await credentials.find(u))?.isActive;
    };
    await credentials.setStatus({ ...account, userId: 'of before' }, 'disabled');
    t.equal(await isActive(), true, 'another account of this name');
    await credentials.setStatus(account, 'disabled');
    t.equal(await isActive(), false);
    await redis.del(`user:{${u}}`);
    await credentials.createMany([{ u, record: imported }], 'replace-imported');
    t.match(await credentials.find(u), { isActive: false }, 'the same file again');
    await redis.del(`user:{${u}}`);
    const again = { ...imported, attempt: newId(), hash: 'other' };
    const [made] = await credentials.createMany([{ u, record: again }], 'replace-imported');
    t.match(made, { outcome: 'ok' });
    t.match(await credentials.find(u), { isActive: false }, 'an import enables nobody');
    t.equal(await isActive(), false);
    await credentials.setStatus(account, 'active');
    t.equal(await isActive(), true);
    await credentials.setStatus({ u: newId(), userId: 'nobody' }, 'disabled');
  });

  t.test("an operator's table", async (t) => {
    const settings = { ...given, table };
    testStore(t, {
      ...{ credentials: await open(settings), redis, isForeign: true, hasVersions: false },
    });
    testInterrupted(t, settings, lockOf('app.users'));
  });

  t.test("an operator's table with everything mapped", async (t) => {
    const credentials = await open({ ...given, table: members });
    testStore(t, { credentials, redis, isForeign: true });
  });

  t.test('a scan of a table with numbers as ids goes by the numbers', async (t) => {
    await postgres.ask('CREATE TABLE app.many (id serial PRIMARY KEY, login text, pass text)');
    await postgres.ask(
      "INSERT INTO app.many (login, pass) SELECT 'm' || i, 'x' FROM generate_series(1, 250) i",
    );
    const credentials = await open({ ...given, table: { ...table, table: 'app.many' } });
    const seen = new Set<string>();
    let cursor = '';
    do {
      const page = await credentials.scan(cursor, 100);
      cursor = page.cursor;
      for (const { u } of page.rows) seen.add(u);
    } while (cursor !== '');
    t.equal(seen.size, 250);
  });

  t.test('a table that does not fit is a refusal to start that says why', async (t) => {
    await postgres.ask('CREATE TABLE app.short (id int, login text, pass varchar(60))');
    await postgres.ask('CREATE ROLE reader LOGIN');
    await postgres.ask('GRANT USAGE ON SCHEMA app TO reader');
    await postgres.ask('GRANT SELECT ON app.users TO reader');
    const problem = (change: Partial<typeof table>, url = postgres.url) =>
      open({ ...given, url, table: { ...table, ...change } }).then(
        () => 'opened',
        ({ message }: Error) => message,
      );
    t.match(
      await problem({ table: 'nobody' }),
      /^CREDENTIALS_TABLE nobody: there is no such table/,
    );
    t.match(await problem({ login: 'email', hash: 'h' }), /no column email; .*no column h/);
    const short = await problem({ table: 'app.short' });
    t.match(short, /pass holds 60 characters: ALTER COLUMN pass TYPE text/);
    const reader = postgres.url.replace('floodgate:x', 'reader');
    t.match(await problem({}, reader), /may not SELECT from it and UPDATE it/);
  });

  t.test('only an index on the login alone, over all rows, makes it unique', async (t) => {
    const target = parsePostgresUrl(postgres.url);
    const client = await openPostgres({ target, connections: 1, log, limits });
    t.teardown(client.close);
    await postgres.ask(
      'CREATE TABLE app.keys (id int, login text, "loginHash" varchar(64), pass text)',
    );
    const isUnique = async (key: string, isLower = false, login = 'login') => {
      await postgres.ask(`CREATE UNIQUE INDEX one ON app.keys ${key}`);
      const settings = { ...table, table: 'app.keys', isLower, login };
      const { hasUniqueLogin } = await readTableMap(client, settings);
      await postgres.ask('DROP INDEX app.one');
      return hasUniqueLogin;
    };
    t.equal(await isUnique('(login)'), true);
    t.equal(await isUnique('(login) WITH (fillfactor = 70)'), true);
    t.equal(await isUnique('("loginHash")', false, 'loginHash'), true);
    t.equal(await isUnique('(lower(login))', true), true);
    t.equal(await isUnique('(lower("loginHash"))', true, 'loginHash'), true);
    t.equal(await isUnique('("loginHash")'), false, 'another column');
    t.equal(await isUnique('(login, id)'), false);
    t.equal(await isUnique('(login) WHERE id > 0'), false);
    t.equal(await isUnique('(lower(login))'), false);
    t.equal(await isUnique('(login)', true), false);
  });

  t.test('who is switched off when first asked for comes back when switched on', async (t) => {
    await postgres.ask(
      'CREATE TABLE app.staged (id serial PRIMARY KEY, login text UNIQUE, pass text, state text)',
    );
    const status = { column: 'state', active: ['on'] };
    const credentials = await open({ ...given, table: { ...table, table: 'app.staged', status } });
    const [u, name] = [newId(), 'ada'];
    await postgres.ask("INSERT INTO app.staged (login, pass, state) VALUES ('ada', 'x', 'off')");
    const turn = (state: string) => postgres.ask('UPDATE app.staged SET state = $1', [state]);
    t.match(await credentials.findMany([{ u, name }]), [{ isActive: false, gen: 0 }]);
    t.equal(await redis.exists(`user:{${u}}`), 0, 'who only looks leaves nothing');
    t.match(await credentials.find(u, name), { isActive: false });
    await turn('on');
    const found = await credentials.find(u, name);
    t.match(found, { isActive: true, gen: 1 });
    const change = { hash: 'y', attempt: newId() };
    t.equal(found && (await credentials.changePassword(u, found, change)), 2);
    await turn('off');
    t.match(await credentials.find(u), { isActive: false });
    await turn('on');
    t.match(await credentials.find(u), { isActive: true });
    await redis.hset(`user:{${u}}`, 'status', 'disabled');
    t.match(await credentials.find(u), { isActive: false }, 'whom we disabled stays out');
  });

  t.test('while no replica confirms, known names sign in for the first time', async (t) => {
    await postgres.ask(
      'CREATE TABLE app.known (id serial PRIMARY KEY, login text UNIQUE, pass text)',
    );
    const url = server.url.replace(/(\?.*)?$/, '?wait_replicas=1');
    const store = await openStore({ url, name: 'test', acceptDataLoss: false, log });
    t.teardown(() => quitRedis(store));
    const settings = { ...given, table: { ...table, table: 'app.known' } };
    const { credentials, close } = await openCredentials({
      ...{ settings, redis: store, translate: same, log, limits },
    });
    t.teardown(close);
    const [u, name] = [newId(), 'ada'];
    const add = () => postgres.ask("INSERT INTO app.known (login, pass) VALUES ('ada', 'x')");
    await add();
    t.equal(await credentials.find(newId(), 'nobody'), undefined);
    t.match(await credentials.find(u, name), { isActive: true, gen: 1 }, 'as who is not there');
    t.equal(await credentials.setScopes(u, 'more').catch(codeOf), 'store_unavailable');

    await postgres.ask('DELETE FROM app.known');
    await add();
    const another = credentials.find(u, name).catch(codeOf);
    t.equal(await another, 'store_unavailable', 'what another account had ends for good, or not');

    // Something is kept there, though of no account: that is replaced.
    const [left, kept] = [newId(), 'gen'];
    await redis.hset(`user:{${left}}`, kept, 3);
    t.equal(await credentials.find(left, name).catch(codeOf), 'store_unavailable');
    t.equal(await redis.hget(`user:{${left}}`, kept), '4');
  });

  t.test('of many first logins at once one makes the state', async (t) => {
    const credentials = await open({ ...given, table });
    const u = newId();
    await credentials.create(u, recordOf(u));
    await redis.del(`user:{${u}}`);
    const found = await Promise.all(
      Array.from({ length: 20 }, () => credentials.find(u, nameOf(u))),
    );
    t.same(new Set(found.map((one) => one?.gen)), new Set([1]));
  });

  t.test('what the owner of a table refuses is said, and nothing is pending then', async (t) => {
    await postgres.ask(
      `CREATE TABLE app.guarded (id serial PRIMARY KEY, login text UNIQUE,
        pass varchar(255) CHECK (pass NOT LIKE 'bad%'))`,
    );
    await postgres.ask(
      `CREATE FUNCTION app.guard() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF TG_OP = 'DELETE' OR NEW.pass LIKE 'vetoed%' THEN RAISE EXCEPTION 'not here'; END IF;
        RETURN NEW; END $$`,
    );
    await postgres.ask(
      `CREATE TRIGGER guard BEFORE INSERT OR UPDATE OR DELETE ON app.guarded
        FOR EACH ROW EXECUTE FUNCTION app.guard()`,
    );
    const credentials = await open({ ...given, table: { ...table, table: 'app.guarded' } });
    const u = newId();
    await credentials.create(u, recordOf(u));
    const found = await credentials.find(u);
    if (found === undefined) throw new Error('not there');
    for (const hash of ['bad one', 'x'.repeat(256), 'vetoed']) {
      const replaced = await credentials.replaceHash(u, found, hash, 'raw').catch(codeOf);
      t.equal(replaced, 'store_refused');
      const change = { hash, attempt: newId() };
      const changed = await credentials.changePassword(u, found, change).catch(codeOf);
      t.equal(changed, 'store_refused');
      t.match(await credentials.find(u), { hash: 'first', gen: 1, pending: '' });
    }
    const change = { hash: 'a good one', attempt: newId() };
    t.equal(await credentials.changePassword(u, found, change), 2);
    const other = { u: newId(), record: recordOf('other', { hash: 'vetoed' }) };
    const created = credentials.create(other.u, other.record);
    t.equal(await created.catch(codeOf), 'store_refused');
    t.equal(await credentials.createMany([other], 'insert').catch(codeOf), 'store_refused');
    t.equal(await credentials.remove(u).catch(codeOf), 'store_refused');
    t.match(await credentials.find(u), { hash: 'a good one', gen: 2, isActive: true });
  });

  t.test('a hash that every login would read as another is not written', async (t) => {
    await postgres.ask('CREATE TABLE app.peppered (id serial, login text UNIQUE, pass text)');
    const keys = { pp: Buffer.from('a pepper') };
    const declared = readDeclaration('devise,key=pp', keys);
    const settings = { ...given, table: { ...table, table: 'app.peppered' } };
    const translate = createTranslate(declared, createKeyRing({ keys }));
    const { credentials, close } = await openCredentials({
      ...{ settings, redis, translate, log, limits },
    });
    t.teardown(close);
    const hash = '$2b$05$CCCCCCCCCCCCCCCCCCCCC.crbyEJ0XFaJ9sONRyOTHdI7c4ZT.ndu';
    const [ours, theirs] = [recordOf('a', { hash: translate(hash) }), recordOf('b', { hash })];
    const writes = [
      (record: NewCredential) => credentials.create(newId(), record),
      (record: NewCredential) => credentials.createMany([{ u: newId(), record }], 'insert'),
    ];
    for (const write of writes) t.equal(await write(theirs).catch(codeOf), 'store_refused');
    t.same(await postgres.ask('SELECT * FROM app.peppered'), []);
    t.match(await credentials.create(newId(), ours), { outcome: 'ok' });
    const taken = recordOf('a', { hash: hash.replace('ndu', 'ndi') });
    t.match(await credentials.create(newId(), taken), { outcome: 'exists' });
  });

  t.test('a table that needs more than we know takes no new accounts', async (t) => {
    await postgres.ask(
      'CREATE TABLE app.full (id serial, login text, pass text, tenant int NOT NULL)',
    );
    const credentials = await open({ ...given, table: { ...table, table: 'app.full' } });
    const u = newId();
    t.equal(await credentials.create(u, recordOf(u)).catch(codeOf), 'store_refused');
    await postgres.ask('CREATE TABLE app.child (id int REFERENCES app.users)');
    const parent = await open({ ...given, table });
    await parent.create(u, recordOf(u));
    const id = (await parent.find(u))?.userId;
    await postgres.ask('INSERT INTO app.child VALUES ($1)', [id]);
    t.equal(await parent.remove(u).catch(codeOf), 'store_refused');
    t.match(await parent.find(u), { userId: id, isActive: true }, 'and is as it was');
  });
});
