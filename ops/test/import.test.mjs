/**
 * `floodgate users import` over the real route, a real node and a real Redis: what it leaves beside a
 * record, who finds it again, and how many it says may not sign in.
 */
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { accountIn } from '../../gateway/user-id.js';
import { connectRedis } from '../../shared/redis.js';
import { whenReady } from '../../shared/redis-calls.js';
import { startRedis } from '../../shared/test/redis-server.js';
import { startNode } from '../../worker/test/node.js';
import { accounts, openAdminPort } from './admin-port.mjs';
import { makeDir } from './project.mjs';

t.setTimeout(120_000);

const server = await startRedis(t);
const redis = connectRedis({ url: server.url, name: 'test', log: { info() {}, warn() {} } });
t.teardown(() => redis.disconnect());
await whenReady(redis, 5000);
const node = await startNode(t, { redisUrl: server.url });
const given = { node, redis };
const { floodgate } = await openAdminPort(t, given);

const dir = makeDir(t);
const file = (name, text) => {
  const path = join(dir, name);
  writeFileSync(path, text);
  return path;
};
const commit = async (run, path, ...args) => {
  await run('users', 'import', path, ...args);
  return run('users', 'import', path, '--commit', ...args);
};
const linesOf = (path) =>
  readFileSync(path, 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
const recordOf = (login) => redis.hgetall(`cred:{${accounts(login).u}}`);
const md5 = (password) => createHash('md5').update(password).digest('hex');
/** An unsalted hash, as lists of such hashes from elsewhere have it. */
const rowOf = (login, password, more = {}) => ({
  ...{ login, hash: md5(password), format: 'digest', alg: 'md5' },
  ...more,
});
const ndjson = (...rows) =>
  [{ type: 'header', version: 1 }, ...rows].map((row) => `${JSON.stringify(row)}\n`).join('');

/** The attempts that somebody without our secret can make of a guess. */
const guessesOf = (login, password) => {
  const { name, u } = accounts(login);
  const { hash, format, alg } = rowOf(login, password);
  const content = ['', u, name, format, hash, { alg }, 'raw', 'account', 'active'];
  return ['v1', 'v2'].map((version) =>
    createHash('sha256')
      .update(`floodgate import ${version}\n${JSON.stringify(content)}`)
      .digest('base64url')
      .slice(0, 22),
  );
};

t.test('what an import leaves beside a record helps nobody to guess its password', async (t) => {
  const path = file('ann.ndjson', ndjson(rowOf('Ann', 'a password of long ago')));
  t.match(await commit(floodgate, path), /^0 [\s\S]*Written/);
  const { attempt, user_id: id } = await recordOf('ann');
  const guesses = guessesOf('Ann', 'a password of long ago');
  t.notOk(guesses.includes(attempt), 'the attempt');
  t.notOk(
    guesses.some((guess) => id.endsWith(guess.slice(0, 10))),
    'the id',
  );
  t.equal(accountIn(id), accounts('ann').u, 'an id of ours');

  t.match(await commit(floodgate, path), /^0 [\s\S]*good +1/, 'the same file finds its own write');
  t.match(await recordOf('ann'), { attempt, user_id: id, version: '1' });

  const other = file('other.ndjson', ndjson(rowOf('ANN', 'another one')));
  t.match(await commit(floodgate, other), /^2 [\s\S]*E_CONFLICT/, 'another hash does not');
  const { floodgate: rotated } = await openAdminPort(t, { ...given, secret: 'the next one' });
  t.match(await commit(rotated, path), /^2 [\s\S]*E_CONFLICT/, 'nor does it after a rotation');

  await redis.del(`cred:{${accounts('ann').u}}`);
  t.match(await commit(floodgate, other), /^0 /);
  const anew = await recordOf('ann');
  t.not(anew.attempt, attempt);
  t.not(anew.user_id, id, 'an account made anew is another one');
});

t.test('a dry run says how many may not sign in; no date is no reason', async (t) => {
  const hash = '$2b$05$LwGl21sr2clrBNbMwrfQJug4AlENHB5qRT339N7ItpmNfMqHwxRXS';
  const dates = ['', 'NULL', '\\N', '2024-01-01 00:00:00'];
  const lines = dates.map((date, at) => `${at},d${at}@example.org,${hash},${date}`);
  const columns = 'id,email,encrypted_password,locked_at';
  const path = file('devise.csv', `${[columns, ...lines].join('\n')}\n`);
  const said = await commit(floodgate, path, '--source', 'devise');
  t.match(said, /^0 [\s\S]*good +4\n +disabled +1\n/);
  const statusOf = (at) => redis.hget(`user:{${accounts(`d${at}@example.org`).u}}`, 'status');
  const stored = await Promise.all(dates.map((_, at) => statusOf(at)));
  t.strictSame(stored, ['active', 'active', 'active', 'disabled']);

  const all = { type: 'header', version: 1, defaults: { status: 'disabled' } };
  const own = ['x', 'y'].map((login) => ({ login, hash: null }));
  const rows = [all, ...own, { login: 'z', hash: 'bad' }].map((row) => JSON.stringify(row));
  const dry = await floodgate('users', 'import', file('own.ndjson', rows.join('\n')));
  t.match(dry, /^2 [\s\S]*good +2\n +disabled +2\n +failed +1/, 'of the good ones');
});

t.test('of a line that names an account once more both results say the same', async (t) => {
  const lines = [rowOf('twice', 'one'), rowOf('TWICE', 'two')].map((row, at) => ({
    ...row,
    id: `same${at}`,
  }));
  const path = file('twice.ndjson', ndjson(...lines, rowOf('thrice', 'three', { id: 'same0' })));
  const run = async (name, ...args) => {
    const results = join(dir, name);
    t.match(await floodgate('users', 'import', path, '--results', results, ...args), /^2 /);
    return linesOf(results).map(({ line, ok, code, field, message }) => ({
      ...{ line, ok, code, field, message },
    }));
  };
  const dry = await run('dry');
  t.match(dry, [
    { line: 2, ok: true },
    { line: 3, code: 'E_DUPLICATE_LOGIN', message: 'Line 2 has the same login.' },
    { line: 4, code: 'E_DUPLICATE_ID', message: 'Line 2 has the same id.' },
  ]);
  t.strictSame(await run('written', '--commit'), dry);
});
