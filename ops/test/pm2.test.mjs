/**
 * Under pm2 with the real programs: nodes and edges replaced by signal, nodes reloaded one at a time,
 * added and taken away, all under load and without losing a request; then Redis stops last.
 */
import { execFile } from 'node:child_process';
import { readdirSync, readFileSync, renameSync } from 'node:fs';
import http from 'node:http';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import t from 'tap';
import { isAlive, killGroup } from '../processes.mjs';
import { freePort, listRunning, makeDir, plainNode, realRoot, until } from './project.mjs';

const run = promisify(execFile);
t.setTimeout(170_000);

const home = makeDir(t);
const dataDir = join(makeDir(t), 'data');
const [port, adminPort] = [await freePort(), await freePort()];
const env = {
  PATH: process.env.PATH,
  HOME: home,
  PM2_HOME: join(home, 'pm2'),
  DATA_DIR: dataDir,
  XDG_RUNTIME_DIR: makeDir(t),
  HOST: '127.0.0.1',
  PORT: String(port),
  ADMIN_PORT: String(adminPort),
  NODES: '2',
  REGISTRATION: 'open',
  TRUSTED_PROXIES: '127.0.0.1',
};

const pm2 = (...args) =>
  run(...plainNode(join(realRoot, 'node_modules/pm2/bin/pm2'), ...args), {
    cwd: realRoot,
    env,
    timeout: 90_000,
  });

const processes = async () => JSON.parse((await pm2('jlist')).stdout);
const pidsOf = async (name) =>
  (await processes()).filter((one) => one.name === name).map((one) => one.pid);

/** The nodes that the applications keep. */
const keptNodes = () =>
  readdirSync(dataDir)
    .filter((name) => /^node-\d+\.lock$/.test(name))
    .sort()
    .flatMap((name) => JSON.parse(readFileSync(join(dataDir, name), 'utf8')).children);

const agent = new http.Agent({ keepAlive: true });
t.teardown(() => agent.destroy());
const password = 'a decent password 7';

let sent = 0;
/** Each request seems to come from another address, so that no limit is met. */
const send = (method, path, headers, body) =>
  new Promise((resolve) => {
    sent++;
    const address = `10.${sent % 200}.${(sent >> 3) % 200}.${sent % 190}`;
    const all = { ...headers, 'x-forwarded-for': address };
    const request = http.request({ port, method, path, agent, headers: all }, (response) => {
      let text = '';
      response.on('data', (data) => {
        text += data;
      });
      response.on('end', () => resolve({ status: response.statusCode, text }));
      response.on('error', (error) => resolve({ status: error.code, text: '' }));
    });
    request.on('error', (error) => resolve({ status: error.code, text: '' }));
    request.end(body === undefined ? undefined : JSON.stringify(body));
  });
const post = (path, body) => send('POST', path, { 'content-type': 'application/json' }, body);

/** Logins and token checks until told to stop; returns what went wrong. */
const startLoad = async (users, token) => {
  const odd = [];
  let isOn = true;
  let count = 0;
  const keep = async (pauseMs, one) => {
    for (let i = 0; isOn; i++) {
      const { status, text } = await one(i);
      count++;
      if (status !== 200) odd.push(`${status} ${text}`);
      await sleep(pauseMs);
    }
  };
  const loops = [
    keep(300, (i) => post('/v1/login', { username: users[i % users.length], password })),
    ...[20, 20].map((pauseMs) =>
      keep(pauseMs, () => send('GET', '/v1/verify', { authorization: `Bearer ${token}` })),
    ),
  ];
  return async () => {
    isOn = false;
    await Promise.all(loops);
    return { odd, count };
  };
};

t.teardown(async () => {
  await pm2('kill').catch(() => {});
  for (const entry of [...listRunning(dataDir), ...keptNodes()]) killGroup(entry);
});

t.test('reload, scale and stop under load', async (t) => {
  await pm2('start', 'ecosystem.config.js');
  const users = Array.from({ length: 8 }, (_, i) => `user-${i}`);
  // Nodes and gateway start at once: an edge hears of the first node some 50 ms after it serves.
  const register = (username) => post('/v1/users', { username, password });
  await until(async () => (await register('first')).status === 201, 'a node is known');
  for (const username of users) {
    const { status, text } = await register(username);
    t.equal(status, 201, text);
  }
  const token = JSON.parse(
    (await post('/v1/login', { username: users[0], password })).text,
  ).access_token;
  const stopLoad = await startLoad(users, token);

  const nodes = await pidsOf('floodgate-node');
  const readLog = (name) => {
    const dir = join(env.PM2_HOME, 'logs');
    const files = readdirSync(dir).filter((file) => file.startsWith(`${name}-out`));
    return files.map((file) => readFileSync(join(dir, file), 'utf8')).join('');
  };
  const count = (text, pattern) => text.match(pattern)?.length ?? 0;
  const kept = keptNodes();
  await pm2('sendSignal', 'SIGHUP', 'floodgate-node');
  const replaced = /node-\d replaced/g;
  await until(() => count(readLog('floodgate-node'), replaced) === 2, 'nodes are replaced', 40_000);
  t.notOk(kept.some(isAlive), 'every node is a new process');
  t.equal(keptNodes().filter(isAlive).length, 2);
  t.same(await pidsOf('floodgate-node'), nodes, 'and pm2 has seen nothing of it');

  const secret = join(dataDir, 'secrets/node-secret');
  renameSync(secret, `${secret}.away`);
  const well = keptNodes();
  await pm2('sendSignal', 'SIGHUP', 'floodgate-node');
  const stays = /did not start \(code 1\); the old one stays/g;
  await until(() => count(readLog('floodgate-node'), stays) === 2, 'reloads have ended', 40_000);
  t.same(keptNodes(), well, 'nodes that do not start replace nobody');
  renameSync(`${secret}.away`, secret);

  await pm2('reload', 'floodgate-node', '--parallel', '1');
  const reloaded = await pidsOf('floodgate-node');
  t.equal(reloaded.length, 2);
  t.notOk(
    reloaded.some((pid) => nodes.includes(pid)),
    'every node is a new process',
  );

  const [gateway] = await pidsOf('floodgate-gateway');
  await pm2('sendSignal', 'SIGHUP', 'floodgate-gateway');
  const gatewayLog = () => readLog('floodgate-gateway');
  await until(() => gatewayLog().includes('reload ended'), 'edges are reloaded', 40_000);
  t.same(await pidsOf('floodgate-gateway'), [gateway], 'the primary stays');
  t.notMatch(gatewayLog(), 'reload aborted');

  await pm2('scale', 'floodgate-node', '3');
  t.equal((await pidsOf('floodgate-node')).length, 3);
  await pm2('scale', 'floodgate-node', '2');
  t.equal((await pidsOf('floodgate-node')).length, 2);

  const { odd, count: requests } = await stopLoad();
  t.same(odd, [], `none of ${requests} requests was lost`);

  const running = [...listRunning(dataDir), ...keptNodes()];
  await pm2('kill');
  await until(() => !running.some(isAlive), 'nothing is left');
  const redisLog = readFileSync(join(dataDir, 'logs/redis.log'), 'utf8');
  t.match(redisLog, 'ready to exit', 'Redis ended in an orderly way');
  t.notMatch(gatewayLog(), 'redis is gone');
});

t.test('no secret is in what pm2 keeps about the programs', async (t) => {
  await pm2('start', 'ecosystem.config.js', '--only', 'floodgate-redis');
  await pm2('save');
  const dump = readFileSync(join(env.PM2_HOME, 'dump.pm2'), 'utf8');
  for (const name of readdirSync(join(dataDir, 'secrets'))) {
    const secret = readFileSync(join(dataDir, 'secrets', name), 'utf8').trim();
    t.notOk(dump.includes(secret), name);
  }
});
