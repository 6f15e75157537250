import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { AppError, codeOf } from '../../shared/errors.js';
import { createLog } from '../../shared/log.js';
import { openPostgres } from '../credentials/postgres-client.js';
import { parsePostgresUrl } from '../credentials/postgres-url.js';
import { noPostgres, startPostgres } from './postgres-server.js';

t.setTimeout(120_000);
const log = createLog({ level: 'silent', role: 'test' });
const patient = { readMs: 5000, writeMs: 5000, bulkMs: 10_000 };
const otherCa = fileURLToPath(new URL('../../gateway/test/fixtures/one.cert.pem', import.meta.url));
const select = 'SELECT pass FROM users WHERE id = $1';
const update = 'UPDATE users SET pass = $2 WHERE id = $1';

const failOf = (run: () => unknown): Error => {
  try {
    run();
  } catch (error) {
    if (error instanceof Error) return error;
  }
  return new Error('nothing was thrown');
};

const eventually = async <T>(ask: () => Promise<T>): Promise<T> => {
  for (const end = Date.now() + 30_000; ; await sleep(50)) {
    try {
      return await ask();
    } catch (error) {
      if (codeOf(error) !== 'store_unavailable' || Date.now() > end) throw error;
    }
  }
};

t.test('a URL is read strictly, and no message quotes it', async (t) => {
  const base = { user: 'u', database: 'db', password: 'p:1' };
  t.same(parsePostgresUrl('postgres://u:p%3A1@a,b.example:6432,[::1]:1/db'), {
    ...base,
    hosts: [
      { host: 'a', port: 5432 },
      { host: 'b.example', port: 6432 },
      { host: '::1', port: 1 },
    ],
    ssl: { mode: 'verify-full' },
  });
  t.match(parsePostgresUrl('postgres://u:x@127.0.0.1/db'), { ssl: { mode: 'disable' } });
  t.match(parsePostgresUrl('postgresql://u@/db?host=/run/pg'), {
    hosts: [{ host: '/run/pg', port: 5432 }],
    password: undefined,
  });
  const files = 'sslmode=verify-ca&sslrootcert=/ca&sslcert=/c&sslkey=/k';
  t.match(parsePostgresUrl(`postgres://u:x@a/db?${files}`), {
    ssl: { mode: 'verify-ca', ca: '/ca', cert: '/c', key: '/k' },
  });
  for (const url of [
    'mysql://secret@a/db',
    'postgres://u:secret@a',
    'postgres://u:secret@a:0/db',
    'postgres://u:secret@a,/db',
    'postgres://u:secret%@a/db',
    'postgres://u:secret@a/db?sslmode=prefer',
    'postgres://u:secret@a/db?target=1',
    'postgres://u:secret@a/db?sslcert=/c',
    'postgres://u:secret@a/db?host=/run',
  ]) {
    const { message } = failOf(() => parsePostgresUrl(url));
    t.match(message, /^the PostgreSQL URL/, url);
    t.notMatch(message, /secret/);
  }
});

t.test('with a real server', { skip: noPostgres }, async (t) => {
  const first = await startPostgres(t);
  await first.ask('CREATE TABLE users (id int PRIMARY KEY, pass text UNIQUE)');
  await first.ask("INSERT INTO users VALUES (1, 'one'), (2, 'two')");
  const target = parsePostgresUrl(first.url);

  t.test('what the data forbids is told from what the server cannot do', async (t) => {
    const postgres = await openPostgres({ target, connections: 2, log, limits: patient });
    t.teardown(postgres.close);
    t.same(await postgres.read(select, ['1']), { rows: [{ pass: 'one' }], count: 1 });
    t.match(await postgres.read(select, ['x']), { rows: [], refused: '22P02' });
    t.match(await postgres.write(update, ['1', 'two']), { count: 0, refused: '23505' });
    t.equal(await postgres.read('SELECT nothing').catch(codeOf), 'store_unavailable');
    await first.ask(`CREATE FUNCTION veto() RETURNS text LANGUAGE plpgsql AS
      $$ BEGIN RAISE EXCEPTION 'no'; END $$`);
    await first.ask(
      "CREATE VIEW mine AS SELECT * FROM users WHERE pass <> 'x' WITH CASCADED CHECK OPTION",
    );
    const viewed = "UPDATE mine SET pass = 'x' WHERE id = 1";
    for (const write of [postgres.write, postgres.bulkWrite]) {
      t.match(await write('SELECT veto()'), { count: 0, refused: 'P0001' });
      t.match(await write(viewed), { count: 0, refused: '44000' });
    }
    for (const read of [postgres.read, postgres.bulk])
      t.equal(await read('SELECT veto()').catch(codeOf), 'store_unavailable', 'not: nobody');
    t.match(await postgres.read(select, ['1']), { count: 1 });
  });

  t.test('more callers than connections wait their turn', async (t) => {
    const postgres = await openPostgres({ target, connections: 2, log, limits: patient });
    t.teardown(postgres.close);
    const answers = await Promise.all(
      Array.from({ length: 200 }, () => postgres.read(select, ['2'])),
    );
    t.ok(answers.every(({ rows }) => rows[0]?.pass === 'two'));
    const text = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'floodgate'";
    const [row] = await eventually(async () => {
      const rows = await first.ask(text);
      // Those of the test before may not be closed yet.
      if (Number(rows[0]?.count) > 3) throw new AppError('store_unavailable');
      return rows;
    });
    t.ok(Number(row?.count) <= 3, 'and no more are opened');
  });

  t.test('a slow answer and a hung server are given up on, and it recovers', async (t) => {
    const postgres = await openPostgres({ target, connections: 2, log });
    t.teardown(postgres.close);
    const slow = 'SELECT pg_sleep(20)';
    t.equal(await postgres.read(slow).catch(codeOf), 'store_unavailable');
    t.match(await eventually(() => postgres.read(select, ['1'])), { count: 1 });
    t.teardown(() => first.signalAll('SIGCONT'));
    first.signalAll('SIGSTOP');
    const asked = Array.from({ length: 8 }, () => postgres.read(select, ['1']).catch(codeOf));
    t.same(new Set(await Promise.all(asked)), new Set(['store_unavailable']));
    t.equal(await postgres.write(update, ['1', 'one']).catch(codeOf), 'store_unavailable');
    first.signalAll('SIGCONT');
    t.match(await eventually(() => postgres.read(select, ['1'])), { count: 1 });
  });

  t.test('ended connections and a restart are recovered from, which lines say', async (t) => {
    const lines: Record<string, unknown>[] = [];
    const stream = { write: (text: string) => void lines.push(JSON.parse(text)) };
    const log = createLog({ level: 'info', role: 'test', stream });
    const postgres = await openPostgres({ target, connections: 2, log, limits: patient });
    t.teardown(postgres.close);
    await postgres.read(select, ['1']);
    await first.ask(
      'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1',
      ['floodgate'],
    );
    t.match(await eventually(() => postgres.read(select, ['1'])), { count: 1 });
    await first.stop('SIGKILL');
    t.equal(await postgres.read(select, ['1']).catch(codeOf), 'store_unavailable');
    await first.start();
    t.match(await eventually(() => postgres.read(select, ['1'])), { count: 1 });
    // It is back for those who ask before anybody has looked.
    const isTold = async () => {
      if (lines.at(-1)?.msg !== 'PostgreSQL is back') throw new AppError('store_unavailable');
    };
    await eventually(isTold);
    const lost = lines.filter(({ msg }) => String(msg).startsWith('PostgreSQL failed'));
    t.ok(lost.length > 0);
    for (const line of lost) t.match(line, { level: 40, err: { type: String, message: /./ } });
    t.match(lines.at(-1), { level: 30, host: '127.0.0.1', port: first.port });
  });

  t.test('a read-only server is not written to, until it is one no more', async (t) => {
    const postgres = await openPostgres({ target, connections: 2, log, limits: patient });
    t.teardown(postgres.close);
    const turn = async (state: string) => {
      await first.ask(`ALTER SYSTEM SET default_transaction_read_only = ${state}`);
      await first.ask('SELECT pg_reload_conf()');
    };
    await turn('on');
    for (let tries = 0; tries < 200; tries++) {
      const answer = await postgres.write(update, ['2', 'two']).catch(codeOf);
      if (answer === 'store_unavailable') break;
      await sleep(20);
    }
    t.equal(await postgres.write(update, ['2', 'two']).catch(codeOf), 'store_unavailable');
    await turn('off');
    t.match(await eventually(() => postgres.write(update, ['2', 'two'])), { count: 1 });
  });

  t.test('TLS: the right name under the right CA', async (t) => {
    const ca = await first.useTls();
    const query = `sslrootcert=${ca}&sslmode=`;
    const usesTls = async (url: string) => {
      const opened = openPostgres({
        target: parsePostgresUrl(url),
        connections: 1,
        log,
        patienceMs,
      });
      const postgres = await opened.catch(() => undefined);
      if (postgres === undefined) return 'refused';
      const text = 'SELECT ssl::text FROM pg_stat_ssl WHERE pid = pg_backend_pid()';
      const { rows } = await eventually(() => postgres.read(text));
      await postgres.close();
      return rows[0]?.ssl;
    };
    // The server reads its settings anew in its own time.
    const patienceMs = 5000;
    const byName = first.url.replace('127.0.0.1', 'localhost');
    t.equal(await usesTls(`${first.url}?${query}verify-full`), 'true');
    t.equal(await usesTls(`${byName}?${query}verify-ca`), 'true');
    t.equal(await usesTls(`${first.url}?sslmode=require`), 'true');
    const soon = (url: string) =>
      openPostgres({ target: parsePostgresUrl(url), connections: 1, log, patienceMs: 500 });
    await t.rejects(soon(`${byName}?${query}verify-full`), /ERR_TLS_CERT_ALTNAME_INVALID/);
    await t.rejects(soon(`${first.url}?sslmode=verify-full`), /SELF_SIGNED/);
    await t.rejects(
      soon(`${first.url}?sslrootcert=/nowhere&sslmode=verify-full`),
      /cannot be read/,
    );

    const file = join(t.testdir(), 'ca.pem');
    copyFileSync(ca, file);
    const postgres = await openPostgres({
      ...{ target: parsePostgresUrl(`${first.url}?sslrootcert=${file}&sslmode=verify-full`) },
      ...{ connections: 1, log, limits: patient },
    });
    t.teardown(postgres.close);
    t.match(await postgres.read(select, ['1']), { count: 1 });
    copyFileSync(otherCa, file);
    await first.ask(
      'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()',
    );
    for (let tries = 0; tries < 20; tries++) {
      t.equal(await postgres.read(select, ['1']).catch(codeOf), 'store_unavailable', 'another CA');
      await sleep(50);
    }
    copyFileSync(ca, file);
    t.match(await eventually(() => postgres.read(select, ['1'])), { count: 1 }, 'taken over');
  });

  t.test('a standby that takes over is found', async (t) => {
    const second = await startPostgres(t, { standbyOf: first.url });
    const hosts = [second, first].map(({ port }) => ({ host: '127.0.0.1', port }));
    const both = { ...target, hosts };
    const postgres = await openPostgres({ target: both, connections: 2, log, limits: patient });
    t.teardown(postgres.close);
    t.match(await postgres.write(update, ['1', 'new']), { count: 1 }, 'the standby is passed over');
    for (let tries = 0; tries < 300; tries++) {
      const [row] = await second.ask('SELECT pass FROM users WHERE id = 1');
      if (row?.pass === 'new') break;
      await sleep(50);
    }
    await first.stop('SIGKILL');
    t.equal(await postgres.read(select, ['1']).catch(codeOf), 'store_unavailable');
    await second.ask('SELECT pg_promote()');
    t.match(await eventually(() => postgres.read(select, ['1'])), { rows: [{ pass: 'new' }] });
    t.match(await eventually(() => postgres.write(update, ['1', 'newer'])), { count: 1 });
  });

  t.test('a database that is not there is a refusal to start that says so', async (t) => {
    const wrong = { ...target, database: 'nowhere' };
    const opened = openPostgres({ target: wrong, connections: 1, log, patienceMs: 300 });
    await t.rejects(opened, { message: /CREDENTIALS_URL.*is it running/ });
  });
});
