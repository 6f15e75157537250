/** Nodes over PostgreSQL: a table of ours, and one that another program owns and goes on writing. */
import { createHash, createHmac } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { hashSync } from '@node-rs/bcrypt';
import t, { type Test } from 'tap';
import { resetProof } from '../../shared/protocol.js';
import { connectRedis } from '../../shared/redis.js';
import { whenReady } from '../../shared/redis-calls.js';
import { startRedis, type TestRedis } from '../../shared/test/redis-server.js';
import type { CredentialsSettings } from '../credentials/settings.js';
import { writeStored } from '../passwords/recipes/text.js';
import { makeRuntimeDir, newId, startNode, type TestNode } from './node.js';
import { noPostgres, startPostgres, type TestPostgres } from './postgres-server.js';
import { launch, settingsFor } from './process.js';

t.setTimeout(120_000);

const old = 'the old one';
const owners = "the owner's new one";
const passwordKeys = { wk1: Buffer.alloc(32, 5), pp: Buffer.from('a pepper') };
const bcrypt = (password: string) => hashSync(password, { cost: 4, salt: Buffer.alloc(16, 7) });

const mapped: NonNullable<CredentialsSettings['table']> = {
  ...{ table: 'users', id: 'id', login: 'login', hash: 'pass', isLower: false },
  ...{ status: { column: 'state', active: ['active'] }, version: undefined },
  ...{ format: 'digest,alg=md5', defaultScopes: 'account' },
};

/** Every change of a password leaves a line. */
const schema = `
CREATE TABLE users (id serial PRIMARY KEY, login text UNIQUE NOT NULL, pass text,
  state text NOT NULL DEFAULT 'active', visits int NOT NULL DEFAULT 0);
CREATE TABLE changes (nr serial, id int, pass text);
CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS
  'BEGIN INSERT INTO changes (id, pass) VALUES (NEW.id, NEW.pass); RETURN NEW; END';
CREATE TRIGGER note AFTER UPDATE OF pass ON users FOR EACH ROW
  WHEN (OLD.pass IS DISTINCT FROM NEW.pass) EXECUTE FUNCTION note()`;

/** Until the node has decided: a busy machine may refuse. */
const decided = async (node: TestNode, path: string, body: object, attempt = newId()) => {
  for (let tries = 0; tries < 400; tries++) {
    const { status, body: answer } = await node.post(path, body, { attempt });
    if (status !== 503) return answer;
    await sleep(20 + Math.random() * 20);
  }
  throw new Error('never decided');
};

const md5 = (password: string) => createHash('md5').update(password).digest('hex');
const legacyRow = (name: string) => ({
  ...{ u: newId(), name, user_id: `x-${name}`, attempt: newId(), norm: 'raw', scopes: '' },
  ...{ format: 'digest', hash: md5(old), options: { alg: 'md5' }, status: 'active' },
});

/** As the admin child sends a batch of an import; the results in order. */
const importRows = async (node: TestNode, rows: object[], write = true) => {
  const lines = [{ write, rule: 'insert', keys: {} }, ...rows].map((row) => JSON.stringify(row));
  for (let tries = 0; tries < 400; tries++) {
    const type = 'application/x-ndjson';
    const { status, body } = await node.send('POST', '/credentials/batch', lines.join('\n'), {
      type,
    });
    if (status === 200) return body.results;
    await sleep(20);
  }
  throw new Error('never imported');
};

/** Until every weak hash is wrapped; what became of them. */
const campaign = async (node: TestNode, more: object = {}) => {
  await decided(node, '/campaign', { id: newId(), share: '100', key: 'wk1', ...more });
  for (;;) {
    const { campaign: view } = (await node.send('GET', '/campaign', '')).body;
    const status = view instanceof Object ? Reflect.get(view, 'status') : undefined;
    if (['done', 'refused', 'cancelled'].includes(status)) return view;
    await sleep(50);
  }
};

/** One of each for all tests here. */
let servers: Promise<{ redis: TestRedis; postgres: TestPostgres }> | undefined;
const openServers = () => {
  const start = async () => ({ redis: await startRedis(t), postgres: await startPostgres(t) });
  servers ??= start();
  return servers;
};

t.test(
  'nodes of two stores that start at once do not both serve',
  { skip: noPostgres },
  async (t) => {
    const { postgres } = await openServers();
    const { url } = await startRedis(t);
    const runtimeDir = makeRuntimeDir(t);
    const [one, other] = [
      launch(t, settingsFor('a', url, runtimeDir)),
      launch(t, { ...settingsFor('b', url, runtimeDir), CREDENTIALS_URL: postgres.url }),
    ];
    const endings = await Promise.all(
      [one, other].map(({ said, output }) =>
        said().then(
          () => 'serves',
          () => output(),
        ),
      ),
    );
    t.not(endings.filter((ending) => ending === 'serves').length, 2);
    const refused = endings.filter((ending) => ending !== 'serves');
    for (const text of refused)
      t.match(text, /CREDENTIALS_URL and .* differ from those of 1 nodes/);
  },
);

t.test("an operator's table", { skip: noPostgres }, async (t) => {
  const { redis, postgres } = await openServers();
  await postgres.ask(schema);
  const credentials = { url: postgres.url, connections: 2, table: mapped };
  const given = { redisUrl: redis.url, credentials, passwordKeys };
  const [node, other] = [
    await startNode(t, { ...given, nodeId: 'a' }),
    await startNode(t, { ...given, nodeId: 'b' }),
  ];
  const client = connectRedis({ url: redis.url, name: 'test', log: { info() {}, warn() {} } });
  t.teardown(() => client.disconnect());
  await whenReady(client, 5000);
  const addUsers = async (names: string[], hash: string) => {
    const text = 'INSERT INTO users (login, pass) SELECT unnest($1::text[]), $2';
    await postgres.ask(text, [names, hash]);
    return names.map((name) => ({ name, u: newId() }));
  };

  t.test('a node with its store in Redis does not start beside them', async (t) => {
    const { exited, output } = launch(t, settingsFor('c', redis.url, makeRuntimeDir(t)));
    t.equal(await exited, 1);
    t.match(output(), /CREDENTIALS_URL and .* those of 2 nodes in the registry \(a, b\)/);
    t.same(await client.hkeys('{nodes}:entries').then((ids) => ids.sort()), ['a', 'b']);
  });

  t.test('migrates in place while its owner changes rows', async (t) => {
    const names = Array.from({ length: 24 }, (_, i) => `user-${i}`);
    const users = await addUsers(names, bcrypt(old));
    const login = async (i: number, password: string) => {
      const body = { ...users[i % users.length], password };
      const { outcome } = await decided(i % 2 ? node : other, '/login', body);
      return outcome;
    };
    // The owner changes the first eight passwords, and another column of all.
    const owner = async () => {
      for (let i = 0; i < users.length; i++) {
        await postgres.ask('UPDATE users SET visits = visits + 1');
        const text = 'UPDATE users SET pass = $2 WHERE login = $1';
        if (i < 8) await postgres.ask(text, [`user-${i}`, bcrypt(owners)]);
      }
    };
    const [, ...outcomes] = await Promise.all([
      owner(),
      ...Array.from({ length: 96 }, (_, i) =>
        sleep(i * 4).then(async () => (i % 24 < 8 ? 'ok' : login(i, old))),
      ),
      ...Array.from({ length: 16 }, (_, i) => sleep(i * 20).then(() => login(i % 8, old))),
    ]);
    t.same(new Set(outcomes.slice(0, 96)), new Set(['ok']));

    const isMigrated = async () => {
      for (let i = 0; i < users.length; i++) await login(i, i < 8 ? owners : old);
      const [row] = await postgres.ask("SELECT count(*) FROM users WHERE pass LIKE '$argon2id$%'");
      return Number(row?.count) === users.length;
    };
    for (let tries = 0; tries < 100 && !(await isMigrated()); tries++) await sleep(50);
    t.equal(await isMigrated(), true);
    const perUser = await postgres.ask<{ id: string; list: string[] }>(
      'SELECT id::text, array_agg(left(pass, 4) ORDER BY nr) AS list FROM changes GROUP BY id',
    );
    for (const { id, list } of perUser) {
      const text = list.join(' ');
      if (Number(id) > 8) t.equal(text, '$arg', 'exactly one write');
      else t.match(text, /^(\$arg )?\$2b\$ \$arg$/, 'at most one before the owner, one after');
    }
    t.equal(perUser.length, users.length);
    for (let i = 0; i < users.length; i++) {
      t.equal(await login(i, i < 8 ? owners : old), 'ok');
      if (i < 8) t.equal(await login(i, old), 'denied', 'the old password never comes back');
    }
    const [row] = await postgres.ask('SELECT min(visits) FROM users');
    t.equal(Number(row?.min), users.length, "and the owner's other columns are its own");
  });

  t.test('who is there may change the password, who is new registers', async (t) => {
    const [ada] = await addUsers(['ada'], bcrypt(old));
    const { u, name } = ada ?? { u: '', name: '' };
    t.match(await decided(node, '/login', { u, name, password: old }), { outcome: 'ok', gen: 1 });
    const wish = { u, current_password: old, new_password: 'å new påssword' };
    t.match(await decided(node, '/password', wish), { outcome: 'ok', gen: 2 });
    t.match(await decided(node, '/password', wish), { outcome: 'ok', gen: 3 }, 'a repeat too');
    t.match(await decided(node, '/login', { u, name, password: old }), { outcome: 'denied' });
    const password = 'å new påssword';
    t.match(await decided(node, '/login', { u, name, password }), { outcome: 'ok', gen: 3 });
    // Over the bytes as sent, as the owner's own program would.
    const sent = password.normalize('NFD');
    t.match(await decided(node, '/login', { u, name, password: sent }), { outcome: 'denied' });

    await postgres.ask("UPDATE users SET state = 'locked' WHERE login = 'ada'");
    t.match(await decided(node, '/login', { u, name, password }), { outcome: 'denied' });
    const [bo, wants] = [newId(), { user_id: 'u_1', scopes: 'account', password }];
    const made = await decided(node, '/register', { ...wants, u: bo, name: 'bo' });
    t.match(made, { outcome: 'ok', user_id: /^\d+$/ });
    t.match(await decided(node, '/login', { u: bo, name: 'bo', password }), { outcome: 'ok' });
    t.match(await decided(node, '/register', { ...wants, u, name }), { outcome: 'exists' });

    // The row was written, its answer was lost, and so the state never came to be.
    const [eve, attempt] = [{ ...wants, u: newId(), name: 'eve' }, newId()];
    const first = await decided(node, '/register', eve, attempt);
    await client.del(`user:{${eve.u}}`);
    const others = await decided(node, '/register', eve);
    t.match(others, { outcome: 'exists' }, 'the same password alone proves nothing');
    const wrong = await decided(node, '/register', { ...eve, password: owners }, attempt);
    t.match(wrong, { outcome: 'exists' });
    const repeat = await decided(other, '/register', eve, attempt);
    t.match(repeat, { outcome: 'ok', user_id: first.user_id });
    const { gen, user_id } = repeat;
    const again = await decided(node, '/register', eve, attempt);
    t.match(again, { outcome: 'ok', gen, user_id }, 'and once more');
    const login = { u: eve.u, name: 'eve', password };
    t.match(await decided(node, '/login', login), { outcome: 'ok', gen });

    await postgres.ask("DELETE FROM users WHERE login = 'bo'");
    t.match(await decided(node, '/login', { u: bo, name: 'bo', password }), { outcome: 'denied' });
    await addUsers(['bo'], bcrypt(old));
    const another = await decided(node, '/login', { u: bo, name: 'bo', password: old });
    t.match(another, { outcome: 'ok', gen: 2 }, 'another row of the name is another account');
  });

  t.test('a row without a password is nobody, and its owner may be given one', async (t) => {
    await postgres.ask("INSERT INTO users (login) VALUES ('dee')");
    const dee = { u: newId(), name: 'dee' };
    t.match(await decided(node, '/login', { ...dee, password: '!' }), { outcome: 'denied' });
    const wish = { attemptId: newId(), u: dee.u, gen: 1, password: owners };
    const proof = resetProof(node.config.nodeSecrets[0] ?? '', wish);
    const body = { u: dee.u, new_password: owners, gen: '1', proof };
    t.match(await decided(node, '/reset', body, wish.attemptId), { outcome: 'ok', gen: 2 });
    t.match(await decided(node, '/login', { ...dee, password: owners }), { outcome: 'ok', gen: 2 });
  });

  t.test('who was locked at the first try signs in when unlocked', async (t) => {
    await addUsers(['fay'], bcrypt(old));
    const fay = { u: newId(), name: 'fay', password: old };
    await postgres.ask("UPDATE users SET state = 'locked' WHERE login = 'fay'");
    t.match(await decided(node, '/login', fay), { outcome: 'denied' });
    await postgres.ask("UPDATE users SET state = 'active' WHERE login = 'fay'");
    t.match(await decided(other, '/login', fay), { outcome: 'ok', gen: 1 });
  });

  t.test('hashes that do not say what they are need a declared format', async (t) => {
    const stored = md5(old);
    const [cy] = await addUsers(['cy'], stored);
    const login = { ...cy, password: old };
    const read = async () => {
      const [row] = await postgres.ask("SELECT pass FROM users WHERE login = 'cy'");
      return row?.pass ?? '';
    };
    t.match(await decided(node, '/login', { ...login, password: stored }), { outcome: 'denied' });
    t.equal(await read(), stored);
    for (let tries = 0; tries < 100 && (await read()) === stored; tries++) {
      t.match(await decided(node, '/login', login), { outcome: 'ok', gen: 1 });
      await sleep(50);
    }
    t.match(await read(), /^\$argon2id\$/);
    t.match(await decided(node, '/login', login), { outcome: 'ok', gen: 1 });
  });

  t.test('an import adds rows, a campaign wraps them and those that were there', async (t) => {
    const rows = Array.from({ length: 20 }, (_, i) => legacyRow(`new-${i}`));
    await addUsers(['owned'], md5(owners));
    const all = [...rows, legacyRow('owned')];
    const ids = rows.map(() => ({ id: /^\d+$/ }));
    t.match(await importRows(node, all, false), [...rows.map(() => null), { found: ['exists'] }]);
    t.match(await importRows(node, all), [...ids, { found: ['exists'] }]);
    t.match(await importRows(other, rows), ids, 'a repeat finds its rows');
    t.match(
      await campaign(node),
      { status: 'refused' },
      "the owner's programs read no wrapped hash",
    );
    const done = await campaign(node, { force: true });
    t.match(done, { status: 'done', wrapped: 21, changed: 0, failed: 0 });
    const [row] = await postgres.ask(
      "SELECT count(*) FROM users WHERE login ~ '^(new-|owned)' AND pass LIKE '$wrap1$%'",
    );
    t.equal(row?.count, '21');
    for (const { u, name } of all) {
      const password = name === 'owned' ? owners : old;
      t.match(await decided(node, '/login', { u, name, password }), { outcome: 'ok', gen: 1 });
      const inner = { u, name, password: md5(password) };
      t.match(await decided(other, '/login', inner), { outcome: 'denied' });
    }
  });
});

/** A node over a table of its own, with a Redis of its own: campaigns are of all nodes on one. */
const openTable = async (t: Test, change: Partial<typeof mapped>) => {
  const { postgres } = await openServers();
  const redis = await startRedis(t);
  const table = { ...mapped, status: undefined, ...change };
  const credentials = { url: postgres.url, connections: 2, table };
  const node = await startNode(t, { redisUrl: redis.url, credentials, passwordKeys });
  const add = async (login: string, pass: string) => {
    await postgres.ask(`INSERT INTO ${table.table} (login, pass) VALUES ($1, $2)`, [login, pass]);
    return { u: newId(), name: login };
  };
  const read = async (login: string): Promise<string> => {
    const text = `SELECT pass FROM ${table.table} WHERE login = $1`;
    return (await postgres.ask(text, [login]))[0]?.pass ?? '';
  };
  return { node, add, read };
};

t.test(
  'a table whose hashes are peppered, which does not show',
  { skip: noPostgres },
  async (t) => {
    const { postgres } = await openServers();
    await postgres.ask(
      'CREATE TABLE peppered (id serial PRIMARY KEY, login text UNIQUE, pass text)',
    );
    const format = 'devise,key=pp';
    const { node, add, read } = await openTable(t, { table: 'peppered', format });
    const ada = await add('ada', bcrypt(`${old}a pepper`));
    const typed = `${old}a pepper`;
    t.match(await decided(node, '/login', { ...ada, password: typed }), { outcome: 'denied' });
    for (let tries = 0; tries < 100 && !(await read('ada')).startsWith('$argon2id$'); tries++) {
      t.match(await decided(node, '/login', { ...ada, password: old }), { outcome: 'ok', gen: 1 });
      await sleep(50);
    }
    t.match(await read('ada'), /^\$argon2id\$/);
    t.match(await decided(node, '/login', { ...ada, password: old }), { outcome: 'ok', gen: 1 });
    t.match(await decided(node, '/login', { ...ada, password: typed }), { outcome: 'denied' });
  },
);

t.test('a row under a secret that the ring lacks', { skip: noPostgres }, async (t) => {
  const { postgres } = await openServers();
  await postgres.ask('CREATE TABLE signed (id serial PRIMARY KEY, login text UNIQUE, pass text)');
  const { node, add, read } = await openTable(t, { table: 'signed', format: 'kratos-hmac' });
  const key = Buffer.alloc(32, 99);
  const mac = createHmac('sha256', key).update(old).digest('hex');
  const row = `$hmac-sha256$${Buffer.from(mac).toString('base64')}$${key.toString('base64')}`;
  const ada = await add('ada', row);
  for (const password of [old, owners]) {
    let answer = await node.post('/login', { ...ada, password });
    for (let tries = 0; tries < 100 && answer.body.error === 'overloaded'; tries++)
      answer = await node.post('/login', { ...ada, password });
    t.match(answer, { status: 503, body: { error: 'key_missing' } });
  }
  const done = await campaign(node, { force: true });
  t.match(done, { status: 'done', wrapped: 0, changed: 0, failed: 0 });
  t.equal(await read('ada'), row, 'and nobody rewrites it');
  const ask = JSON.stringify({ cursor: '', hashes: 'yes' });
  const { body } = await node.send('POST', '/credentials/scan', ask, {
    type: 'application/x-ndjson',
  });
  t.match(
    body,
    { rows: [{ hash: row, format: 'key_unknown' }] },
    'an export has what stands there',
  );
});

t.test('a table whose owner refuses what we write', { skip: noPostgres }, async (t) => {
  const { postgres } = await openServers();
  await postgres.ask(
    `CREATE TABLE guarded (id serial PRIMARY KEY, login text UNIQUE,
      pass varchar(255) CHECK (pass NOT LIKE '$argon2id$%'))`,
  );
  const { node, add, read } = await openTable(t, { table: 'guarded' });
  const ada = await add('ada', md5(old));
  const isFailed = () => node.lines.some(({ msg }) => msg === 'migration failed');
  for (let tries = 0; tries < 100 && !isFailed(); tries++) {
    t.match(await decided(node, '/login', { ...ada, password: old }), { outcome: 'ok', gen: 1 });
    await sleep(50);
  }
  t.ok(isFailed(), 'logged, and no login failed');
  const wish = { u: ada.u, current_password: old, new_password: owners };
  for (const _ of [1, 2])
    t.match(await decided(node, '/password', wish), { error: 'store_refused' });
  t.match(await decided(node, '/login', { ...ada, password: old }), { outcome: 'ok', gen: 1 });
  t.equal(await read('ada'), md5(old));

  // The longest salt, whose wrapped record the column does not take.
  const salt = Buffer.alloc(64, 1);
  const params = { alg: 'sha512', o: 'sp', salt };
  const digest = createHash('sha512').update(salt).update(old).digest();
  const bo = await add('bo', writeStored({ kind: 'digest', params }, digest));
  const done = await campaign(node, { force: true });
  t.match(done, { status: 'done', wrapped: 1, changed: 0, failed: 1 });
  t.match(await read('ada'), /^\$wrap1\$/);
  t.match(await read('bo'), /^\$x-digest\$/);
  t.match(await decided(node, '/login', { ...bo, password: old }), { outcome: 'ok', gen: 1 });
});

t.test('a table of ours', { skip: noPostgres }, async (t) => {
  const { redis, postgres } = await openServers();
  const credentials = { url: postgres.url, connections: 3, table: undefined };
  const given = { redisUrl: redis.url, credentials, passwordKeys };
  const [a, b] = [
    await startNode(t, { ...given, nodeId: 'a' }),
    await startNode(t, { ...given, nodeId: 'b' }),
  ];
  const addUser = async () => {
    const u = newId();
    t.same(
      await importRows(a, [{ ...legacyRow(u), u, format: '', hash: bcrypt(old), options: {} }]),
      [null],
    );
    return u;
  };
  const versionOf = async (u: string) => {
    const text = 'SELECT version::text, hash, attempt FROM floodgate.credentials WHERE u = $1';
    const [row] = await postgres.ask(text, [u]);
    return row;
  };

  t.test('100 logins of one user over two nodes: all right, one write', async (t) => {
    const u = await addUser();
    const answers = await Promise.all(
      Array.from({ length: 100 }, (_, i) => decided(i % 2 ? a : b, '/login', { u, password: old })),
    );
    t.same(new Set(answers.map(({ outcome }) => outcome)), new Set(['ok']));
    for (let tries = 0; tries < 100 && (await versionOf(u))?.version === '1'; tries++) {
      await decided(a, '/login', { u, password: old });
      await sleep(50);
    }
    t.match(await versionOf(u), { version: '2', hash: /^\$argon2id\$/ });
    t.match(await decided(b, '/login', { u, password: old }), { outcome: 'ok', gen: 1 });
  });

  t.test('a changed password wins against every migration', async (t) => {
    const change = async (ms: number) => {
      const u = await addUser();
      const wish = { u, current_password: old, new_password: owners };
      const [, changed] = await Promise.all([
        decided(a, '/login', { u, password: old }),
        sleep(ms).then(() => decided(b, '/password', wish)),
      ]);
      t.match(changed, { outcome: 'ok', gen: 2 });
      t.match(await decided(a, '/login', { u, password: old }), { outcome: 'denied' });
      t.match(await decided(b, '/login', { u, password: owners }), { outcome: 'ok', gen: 2 });
    };
    for (let i = 0; i < 20; i += 4) await Promise.all([0, 1, 2, 4].map((ms) => change(ms * i)));
  });

  t.test('a registration, and its repeat', async (t) => {
    const [u, attempt] = [newId(), newId()];
    const wish = { u, name: 'ada', password: owners, user_id: `u_${u}`, scopes: 'account' };
    t.match(await decided(a, '/register', wish, attempt), { outcome: 'ok', gen: 1 });
    t.match(await decided(b, '/register', wish, attempt), { outcome: 'ok', gen: 1 });
    t.match(await decided(b, '/register', wish), { outcome: 'exists' });
    t.match(await decided(a, '/login', { u, password: owners }), { outcome: 'ok', gen: 1 });
  });

  t.test('an import and a campaign: each record written once by either', async (t) => {
    const rows = Array.from({ length: 40 }, (_, i) => legacyRow(`old-${i}`));
    const nothing = rows.map(() => null);
    t.same(await importRows(a, rows, false), nothing, 'a dry run');
    t.equal(await versionOf(rows[0]?.u ?? ''), undefined, 'writes nothing');
    t.same(await importRows(a, rows), nothing);
    t.same(await importRows(b, rows), nothing, 'a repeat finds itself');
    const again = rows.map((row) => ({ ...row, attempt: newId() }));
    t.same(
      await importRows(b, again),
      rows.map(() => ({ found: ['exists'] })),
    );
    t.match(await campaign(b), { status: 'done', wrapped: 40, changed: 0, failed: 0 });
    for (const { u, name } of rows) {
      t.match(await versionOf(u), { version: '2', hash: /^\$wrap1\$in=digest,k=wk1\$/ });
      const login = { u, name, password: old };
      t.match(await decided(a, '/login', login), { outcome: 'ok', user_id: `x-${name}`, gen: 1 });
      t.match(await decided(b, '/login', { ...login, password: md5(old) }), { outcome: 'denied' });
    }
  });

  t.test('a lost database is a 503, and the node comes back with it', async (t) => {
    const u = await addUser();
    await postgres.stop('SIGKILL');
    let answer = await a.post('/login', { u, password: old });
    for (let tries = 0; tries < 100 && answer.body.error === 'overloaded'; tries++)
      answer = await a.post('/login', { u, password: old });
    t.match(answer, { status: 503, body: { error: 'store_unavailable' } });
    await postgres.start();
    t.match(await decided(a, '/login', { u, password: old }), { outcome: 'ok' });
  });
});
