/** The embedded Redis: who may read what, and that there is never a second one. */
import { existsSync, mkdirSync, symlinkSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { preparePaths } from '../paths.mjs';
import { isAlive, killGroup, signalProcess, waitGroupGone } from '../processes.mjs';
import { callOwnRedis, launchRedis } from '../redis.mjs';
import { findRedisBinary } from '../redis-binary.mjs';
import { callRedis } from '../redis-call.mjs';
import { keepSynced } from '../redis-sync.mjs';
import { initSecrets, readRedisPassword } from '../secrets.mjs';
import { makeDir, until } from './project.mjs';

const binary = findRedisBinary(process.env.PATH ?? '') ?? '';

/** Several writes of one script are a transaction in the append-only file. */
const script = "redis.call('SET', KEYS[1], 'one') redis.call('SET', KEYS[2], 'two')";

const makePaths = (t) => {
  const paths = preparePaths({
    DATA_DIR: join(makeDir(t), 'my data "quoted"'),
    XDG_RUNTIME_DIR: makeDir(t),
  });
  initSecrets(paths);
  return paths;
};

const launch = async (t, paths) => {
  const redis = await launchRedis(paths, binary);
  t.teardown(() => killGroup(redis.identity));
  await redis.ready;
  return redis;
};

const as = (paths, user) => (command) =>
  callRedis(
    { socket: paths.redisSocket, user, password: readRedisPassword(paths, user) },
    command.split(' '),
  );

t.test('gateway and nodes each reach their own keys only', async (t) => {
  const paths = makePaths(t);
  await launch(t, paths);
  const [gateway, worker, ops] = ['gateway', 'worker', 'ops'].map((user) => as(paths, user));
  const own = {
    gateway:
      'meta:name-key user:{a} sess:{a}:x idx:{a} lim:{a} lim:{net:x}:f keyring clients uid:7',
    worker: 'cred:{a} user:{a} {nodes}:seen campaign:x migrate:{a}',
  };
  for (const key of own.gateway.split(' ')) t.equal(await gateway(`SET ${key} 1`), '+OK', key);
  for (const key of own.worker.split(' ')) t.equal(await worker(`SET ${key} 1`), '+OK', key);
  for (const key of ['keyring', 'sess:{a}:x', 'lim:{a}', 'meta:name-key', 'revocations', 'x'])
    t.match(await worker(`GET ${key}`), /^-NOPERM/, `worker ${key}`);
  for (const key of ['cred:{a}', 'campaign:x', 'migrate:{a}', 'x'])
    t.match(await gateway(`GET ${key}`), /^-NOPERM/, `gateway ${key}`);
  for (const call of [gateway, worker]) {
    for (const command of ['FLUSHALL', 'KEYS *', 'CONFIG SET appendonly no', 'SHUTDOWN', 'MONITOR'])
      t.match(await call(command), /^-NOPERM/, command);
    t.match(await call('INFO persistence'), /aof_enabled:1/);
    t.notMatch(await call('CONFIG GET appendonly'), /^-/);
    t.equal(await call('CLIENT SETNAME x'), '+OK');
  }
  t.match(await ops('GET keyring'), /^-NOPERM/);
  const stranger = { socket: paths.redisSocket, user: 'default', password: '' };
  t.match(await callRedis(stranger, ['PING']), /^-/);
  t.match(await callRedis({ ...stranger, password: 'x' }, ['PING']), /^-WRONGPASS/);
});

t.test('a live server is adopted, data and all', async (t) => {
  const paths = makePaths(t);
  const first = await launch(t, paths);
  await as(paths, 'worker')('SET cred:{a} kept');
  const second = await launch(t, paths);
  t.equal(second.isAdopted, true);
  t.equal(second.identity.pid, first.identity.pid);
  unlinkSync(join(paths.redis, 'process.json'));
  const third = await launch(t, paths);
  t.equal(third.identity.pid, first.identity.pid, 'found by its socket alone');
  t.equal(await as(paths, 'worker')('GET cred:{a}'), 'kept');
  signalProcess(third.identity, 'SIGTERM');
  t.equal(await third.gone, 'ended');
});

t.test('a server out of reach is ended before another one is started', async (t) => {
  const paths = makePaths(t);
  const first = await launch(t, paths);
  await as(paths, 'worker')('SET cred:{a} kept');
  unlinkSync(paths.redisSocket);
  const second = await launch(t, paths);
  t.equal(second.isAdopted, false);
  t.notOk(isAlive(first.identity));
  t.equal(await as(paths, 'worker')('GET cred:{a}'), 'kept');
});

t.test('kill -9 of the server loses nothing that was answered', async (t) => {
  const paths = makePaths(t);
  const first = await launch(t, paths);
  for (let i = 0; i < 100; i++) await as(paths, 'worker')(`SET cred:{${i}} v${i}`);
  await callRedis(
    { socket: paths.redisSocket, user: 'worker', password: readRedisPassword(paths, 'worker') },
    ['EVAL', script, '2', 'cred:{a}', 'user:{a}'],
  );
  killGroup(first.identity);
  await waitGroupGone(first.identity, 5000);
  t.ok(existsSync(paths.redisSocket), 'the dead socket is still there');
  await launch(t, paths);
  t.equal(await as(paths, 'worker')('GET cred:{99}'), 'v99');
  t.equal(await as(paths, 'worker')('GET user:{a}'), 'two', 'what a script wrote, too');
  t.match(await as(paths, 'gateway')('GET user:{a}'), 'two');
  t.equal(await callOwnRedis(paths, ['PING']), '+PONG');
});

t.test('data that cannot be synced is said once', async (t) => {
  const dir = makeDir(t);
  const file = join(dir, 'appendonlydir', 'appendonly.aof.1.incr.aof');
  mkdirSync(join(dir, 'appendonlydir'));
  symlinkSync(file, file);
  const said = [];
  const stop = keepSynced(dir, (problem) => said.push(problem));
  t.teardown(stop);
  await until(() => said.length > 0, 'the problem is said');
  t.match(said[0], /cannot be synced.*ELOOP/);
  await sleep(2500);
  t.equal(said.length, 1);
  unlinkSync(file);
  await sleep(1500);
  symlinkSync(file, file);
  await until(() => said.length > 1, 'it is said again');
});
