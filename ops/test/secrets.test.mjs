/** Secrets and directories: made once, private, the same for everybody. */
import { execFile } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import t from 'tap';
import { preparePaths } from '../paths.mjs';
import { hasOwnRedis, initSecrets, secretSettings } from '../secrets.mjs';
import { foreignDir, makeDir, realRoot } from './project.mjs';

const run = promisify(execFile);

const readAll = (dir) =>
  Object.fromEntries(readdirSync(dir).map((name) => [name, readFileSync(join(dir, name), 'utf8')]));

const prepare = (t, env = {}) =>
  preparePaths({ DATA_DIR: join(makeDir(t), 'data'), XDG_RUNTIME_DIR: makeDir(t), ...env });

t.test('processes that init at once agree on every secret', async (t) => {
  const env = { ...process.env, DATA_DIR: join(makeDir(t), 'data'), XDG_RUNTIME_DIR: makeDir(t) };
  const code = `
    const { preparePaths } = await import(process.argv[1] + '/ops/paths.mjs');
    const { initSecrets } = await import(process.argv[1] + '/ops/secrets.mjs');
    const { readFileSync, readdirSync } = await import('node:fs');
    const paths = preparePaths(process.env);
    initSecrets(paths);
    const names = readdirSync(paths.secrets).filter((name) => /^[a-z-]+$/.test(name)).sort();
    console.log(JSON.stringify(names.map((name) => [name, readFileSync(paths.secrets + '/' + name, 'utf8')])));
  `;
  const args = ['--input-type=module', '-e', code, realRoot];
  const runs = await Promise.all(
    Array.from({ length: 4 }, () => run(process.execPath, args, { env })),
  );
  const seen = new Set(runs.map(({ stdout }) => stdout));
  t.equal(seen.size, 1, 'all read the same');
  const left = readdirSync(join(env.DATA_DIR, 'secrets'));
  t.equal(left.length, 9, 'no temporary file is left');
});

t.test('secrets are private and stay the same', async (t) => {
  const paths = prepare(t);
  initSecrets(paths);
  const before = readAll(paths.secrets);
  for (const name of Object.keys(before))
    t.equal(statSync(join(paths.secrets, name)).mode & 0o777, 0o600, name);
  t.equal(statSync(paths.secrets).mode & 0o777, 0o700);
  t.equal(Buffer.from(before['key-encryption-key'].trim(), 'base64url').length, 32);
  initSecrets(paths);
  t.same(readAll(paths.secrets), before);
});

t.test('an empty secret file is refused, not replaced', async (t) => {
  const paths = prepare(t);
  writeFileSync(join(paths.secrets, 'node-secret'), '');
  t.throws(() => initSecrets(paths), /node-secret is empty/);
});

t.test('a program gets file names, only for what it needs and the user has not set', async (t) => {
  const paths = prepare(t);
  const worker = secretSettings(paths, 'worker', {});
  t.equal(worker.NODE_SECRET_FILE, join(paths.secrets, 'node-secret'));
  t.equal(worker.REDIS_URL_FILE, join(paths.secrets, 'redis-worker-url'));
  t.equal(worker.KEY_ENCRYPTION_KEY, '');
  t.equal(worker.ADMIN_TOKEN_FILE, '');
  const gateway = secretSettings(paths, 'gateway', { ADMIN_TOKEN: 'mine', REDIS_URL: 'redis://x' });
  t.notOk('ADMIN_TOKEN_FILE' in gateway);
  t.notOk('REDIS_URL_FILE' in gateway);
  t.equal(gateway.KEY_ENCRYPTION_KEY_FILE, join(paths.secrets, 'key-encryption-key'));
  t.notOk(hasOwnRedis(paths, {}));
  t.ok(hasOwnRedis(paths, { REDIS_URL_FILE: '/x' }));
});

t.test('a Redis URL that the operator wrote stays, ours follows the socket', async (t) => {
  const paths = prepare(t);
  initSecrets(paths);
  const [gateway, worker] = ['gateway', 'worker'].map((role) =>
    join(paths.secrets, `redis-${role}-url`),
  );
  const made = readFileSync(gateway, 'utf8');
  for (const url of [
    'rediss://gateway:secret@redis.example:6379/0\n',
    'unix://gateway:secret@localhost/run/redis/redis.sock',
  ]) {
    writeFileSync(gateway, url);
    initSecrets(paths);
    t.equal(readFileSync(gateway, 'utf8'), url);
    t.ok(hasOwnRedis(paths, {}), 'and no other Redis is started');
    t.equal(secretSettings(paths, 'gateway', {}).REDIS_URL_FILE, gateway);
  }
  for (const url of ['', made.replace(/@localhost.*(?=\/floodgate-)/, '@localhost/run/user/7')]) {
    writeFileSync(gateway, url);
    rmSync(worker);
    t.notOk(hasOwnRedis(paths, {}));
    initSecrets(paths);
    t.equal(readFileSync(gateway, 'utf8'), made);
    t.match(readFileSync(worker, 'utf8'), /^unix:\/\/worker:/);
  }
});

t.test('a program does not get what the user set for the other one', async (t) => {
  const paths = prepare(t);
  const names = {
    worker: ['PASSWORD_KEYS', 'CREDENTIALS_URL', 'LOCK_REDIS_URLS'],
    gateway: ['BACKUP_REDIS_URL', 'EXTERNAL_ISSUERS', 'KEY_ENCRYPTION_KEY', 'ADMIN_TOKEN'],
  };
  const all = Object.values(names).flat();
  const env = Object.fromEntries(all.flatMap((name) => [name, `${name}_FILE`].map((n) => [n, n])));
  for (const [role, other] of [
    ['worker', 'gateway'],
    ['gateway', 'worker'],
  ]) {
    const seen = { ...env, ...secretSettings(paths, role, env) };
    for (const name of names[role])
      t.same([seen[name], seen[`${name}_FILE`]], [name, `${name}_FILE`]);
    for (const name of names[other]) t.same([seen[name], seen[`${name}_FILE`]], ['', ''], name);
  }
});

t.test('the runtime directory is chosen once, whatever the environment says later', async (t) => {
  const first = prepare(t);
  const again = preparePaths({ DATA_DIR: first.dataDir });
  t.equal(again.runtime, first.runtime);
  t.equal(statSync(first.runtime).mode & 0o777, 0o700);
  const elsewhere = prepare(t, { XDG_RUNTIME_DIR: `/tmp/${'x'.repeat(60)}` });
  t.match(elsewhere.runtime, /^\/tmp\/floodgate-\d+-/, 'a path too long for sockets is not used');
  t.teardown(() => run('rm', ['-r', elsewhere.runtime]));
});

t.test('a runtime directory that others may enter is not used', async (t) => {
  const xdg = makeDir(t);
  const first = preparePaths({ DATA_DIR: join(makeDir(t), 'data'), XDG_RUNTIME_DIR: xdg });
  const dataDir = join(makeDir(t), 'data');
  const name = first.runtime.split('/').at(-1) ?? '';
  t.match(name, /^floodgate-[0-9a-f]{12}$/);
  mkdirSync(dataDir, { mode: 0o700 });
  mkdirSync(join(xdg, 'open'), { mode: 0o755 });
  writeFileSync(join(dataDir, 'runtime-dir'), `${join(xdg, 'open')}\n`);
  t.not(preparePaths({ DATA_DIR: dataDir, XDG_RUNTIME_DIR: xdg }).runtime, join(xdg, 'open'));
});

t.test('a data directory that cannot be made is explained', async (t) => {
  const file = join(makeDir(t), 'file');
  writeFileSync(file, '');
  t.throws(() => preparePaths({ DATA_DIR: join(file, 'data') }), /Set DATA_DIR/);
});

t.test('a data directory of another user is refused, and nothing is written there', async (t) => {
  const dataDir = foreignDir(t);
  const before = readdirSync(dataDir);
  t.throws(() => preparePaths({ DATA_DIR: dataDir }), /belongs to user \d+/);
  t.same(readdirSync(dataDir), before);
});

t.test('sockets are not where a logout would remove them', async (t) => {
  const [sessions, lingering] = [makeDir(t), makeDir(t)];
  const own = join(sessions, `${process.getuid?.()}`);
  mkdirSync(own, { mode: 0o700 });
  const choose = () => {
    const env = { DATA_DIR: join(makeDir(t), 'data'), XDG_RUNTIME_DIR: own };
    const { runtime } = preparePaths(env, { sessions, lingering });
    t.teardown(() => rmSync(runtime, { recursive: true, force: true }));
    t.equal(preparePaths(env, { sessions, lingering }).runtime, runtime, 'and stay there');
    return dirname(runtime);
  };
  t.equal(choose(), '/tmp');
  writeFileSync(join(lingering, userInfo().username), '');
  t.equal(choose(), own, 'of a user who lingers nothing is removed');
});
