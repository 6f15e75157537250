/** `npm start` with real processes and stand-in programs: start, refusals, deaths, stops. */
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import t from 'tap';
import { identify, isAlive } from '../processes.mjs';
import { makeProject, makeSite, until } from './project.mjs';

t.setTimeout(170_000);
const root = await makeProject(t);

const askGateway = async (site) => (await fetch(`http://127.0.0.1:${site.port}/`)).json();
// Alive by its state: where nobody reaps orphans, a pid stays as a zombie.
const isRunning = (pid) => isAlive(identify(pid));
const pidOf = (site, name) => site.look().find((entry) => entry.name === name)?.pid;
const allGone = (site) => until(() => site.look().length === 0, 'nothing is left running', 20_000);

t.test('brings everything up, says how to use it, stops in order and leaves nothing', async (t) => {
  const site = await makeSite(t, { root });
  const launcher = site.start();
  await launcher.ready();
  const names = site.look().map(({ name }) => name);
  t.same(names.sort(), ['gateway', 'node-1', 'node-2', 'redis']);
  t.match(launcher.output(), `http://127.0.0.1:${site.port}`);
  t.match(launcher.output(), join(site.dataDir, 'secrets/admin-token'));

  const { env, argv } = await askGateway(site);
  t.equal(env.REGISTRATION, 'open');
  const visible = JSON.stringify([env, argv]);
  for (const name of [
    'admin-token',
    'node-secret',
    'redis-gateway-password',
    'redis-ops-password',
  ]) {
    const secret = readFileSync(join(site.dataDir, 'secrets', name), 'utf8').trim();
    t.notOk(visible.includes(secret), `${name} is in no environment and no argument`);
    t.notOk(launcher.output().includes(secret));
  }

  launcher.kill('SIGINT');
  t.equal(await launcher.exited, 0);
  t.match(launcher.output(), /gateway stopped[\s\S]*node-\d stopped[\s\S]*redis stopped/);
  t.same(site.look(), []);
});

t.test('a second start beside a running one is refused and harms nothing', async (t) => {
  const site = await makeSite(t, { root });
  const first = site.start();
  await first.ready();
  const second = site.start();
  t.equal(await second.exited, 1);
  t.equal(second.output().trim(), `Floodgate is already running (pid ${first.pid}).`);
  t.equal(site.look().length, 4);
  first.kill('SIGTERM');
  t.equal(await first.exited, 0);
});

t.test('a taken port is named, with what to do, before anything is started', async (t) => {
  const site = await makeSite(t, { root });
  const server = createServer().listen(site.port, '127.0.0.1');
  t.teardown(() => server.close());
  const launcher = site.start();
  t.equal(await launcher.exited, 1);
  t.match(
    launcher.output(),
    new RegExp(`Port ${site.port} is taken.*PORT=${site.port + 1} npm start`),
  );
  t.same(site.look(), []);
});

t.test('a setting that makes no sense is named', async (t) => {
  const site = await makeSite(t, { root });
  const launcher = site.start({ NODES: 'many' });
  t.equal(await launcher.exited, 1);
  t.equal(launcher.output().trim(), 'NODES must be a whole number from 1 to 64.');
});

t.test('a node that refuses to start: its own words, then everything is stopped', async (t) => {
  const site = await makeSite(t, { root });
  const launcher = site.start({ STAND_IN_FAIL: 'node-2' });
  t.equal(await launcher.exited, 1);
  t.match(launcher.output(), 'ARGON2_PASSES must be a whole number');
  await allGone(site);
});

for (const name of ['node-1', 'gateway', 'redis']) {
  t.test(`kill -9 of ${name}: it is back within 5 s`, async (t) => {
    const site = await makeSite(t, { root });
    const launcher = site.start();
    await launcher.ready();
    const before = pidOf(site, name);
    process.kill(before, 'SIGKILL');
    await until(() => launcher.output().includes(`${name} is back`), 'it is back', 5000);
    t.not(pidOf(site, name), before);
    t.equal(site.look().length, 4);
    if (name === 'gateway') t.not((await askGateway(site)).pid, before);
    launcher.kill('SIGTERM');
    t.equal(await launcher.exited, 0);
    await allGone(site);
  });
}

t.test('a full disk ends nobody, and who dies is back', async (t) => {
  const site = await makeSite(t, { root });
  const launcher = site.start();
  await launcher.ready();
  spawnSync('prlimit', [`--pid=${launcher.pid}`, '--fsize=0']); // no file grows any more
  const { pid } = await askGateway(site);
  process.kill(pid, 'SIGKILL');
  await until(() => launcher.output().includes('gateway is back'), 'it is back');
  t.not((await askGateway(site)).pid, pid);
  t.match(launcher.output(), 'gateway: its process cannot be written down (EFBIG)');
  launcher.kill('SIGTERM');
  t.equal(await launcher.exited, 0);
  await allGone(site);
});

t.test('kill -9 of the launcher: its programs end, Redis stays and is adopted', async (t) => {
  const site = await makeSite(t, { root });
  const first = site.start();
  await first.ready();
  const redis = pidOf(site, 'redis');
  const { pid, edge } = await askGateway(site);
  first.kill('SIGKILL');
  await first.exited;
  const second = site.start();
  await second.ready();
  t.equal(pidOf(site, 'redis'), redis);
  t.match(second.output(), 'Redis was still running');
  t.notOk(isRunning(pid), 'the old gateway is gone');
  t.notOk(isRunning(edge), 'and its edge');
  second.kill('SIGTERM');
  t.equal(await second.exited, 0);
  t.match(second.output(), 'redis stopped');
  await allGone(site);
});

/** A node that does not end, of a launcher that was killed. */
const leaveDeafNode = async (t) => {
  const site = await makeSite(t, { root });
  const launcher = site.start({ STAND_IN_DEAF: 'node-1' });
  await launcher.ready();
  const deaf = pidOf(site, 'node-1');
  launcher.kill('SIGKILL');
  await launcher.exited;
  return { site, deaf };
};

/** The next start waits for it, ends it and serves. */
const endsDeafNode = async (t, { site, deaf }) => {
  const launcher = site.start();
  await launcher.ready();
  t.match(launcher.output(), `Waiting for node-1 of an earlier run (pid ${deaf})`);
  t.notOk(isRunning(deaf));
  launcher.kill('SIGTERM');
  t.equal(await launcher.exited, 0);
};

t.test('what does not end by itself after kill -9 of the launcher is ended', async (t) => {
  await endsDeafNode(t, await leaveDeafNode(t));
});

t.test('a start that is stopped while it waits for them leaves them to the next', async (t) => {
  const left = await leaveDeafNode(t);
  const stopped = left.site.start();
  await until(() => stopped.output().includes('Waiting for node-1'), 'it waits');
  stopped.kill('SIGINT');
  t.equal(await stopped.exited, 0);
  t.ok(isRunning(left.deaf));
  await endsDeafNode(t, left);
});

t.test('when its terminal goes, it stops', async (t) => {
  const site = await makeSite(t, { root });
  if (spawnSync('script', ['--version']).error) return t.skip('there is no script(1)');
  const { output, terminal } = site.startAtTerminal();
  await until(() => output().includes('Ctrl-C stops'), 'ready', 60_000);
  terminal.kill('SIGKILL');
  await allGone(site);
});

t.test("beside a Redis of one's own the nodes have the name of the machine", async (t) => {
  const site = await makeSite(t, { root });
  const env = { REDIS_URL: 'redis://127.0.0.1:1', NODE_ID: 'web1', NODES: '1' };
  const launcher = site.start({ ...env, STAND_IN_FAIL: 'web1-1' });
  t.equal(await launcher.exited, 1);
  t.match(launcher.output(), 'ARGON2_PASSES must be a whole number');
});

t.test('Ctrl-C arrives twice at once and is one request; a later one exits at once', async (t) => {
  const site = await makeSite(t, { root });
  const launcher = site.start({ STAND_IN_DRAIN_MS: '3000' });
  await launcher.ready();
  launcher.kill('SIGINT');
  launcher.kill('SIGINT');
  await until(() => launcher.output().includes('gateway stopped'), 'it stops in order');
  await new Promise((resolve) => setTimeout(resolve, 600));
  launcher.kill('SIGINT');
  t.equal(await launcher.exited, 130);
  await allGone(site);
});

t.test('a signal while it starts stops what has been started', async (t) => {
  const site = await makeSite(t, { root });
  const launcher = site.start();
  await until(() => pidOf(site, 'redis'), 'Redis is up');
  launcher.kill('SIGTERM');
  t.equal(await launcher.exited, 0);
  await allGone(site);
});

t.test('SIGHUP replaces the nodes one at a time and tells the gateway', async (t) => {
  const site = await makeSite(t, { root });
  const launcher = site.start();
  await launcher.ready();
  const before = site.look();
  launcher.kill('SIGHUP');
  await until(() => /gateway: replaces its edges/.test(launcher.output()), 'the reload has ended');
  for (const name of ['node-1', 'node-2']) {
    t.match(launcher.output(), `${name} replaced`);
    const old = before.find((entry) => entry.name === name);
    t.not(pidOf(site, name), old.pid);
    t.notOk(isRunning(old.pid));
  }
  t.equal(pidOf(site, 'gateway'), before.find(({ name }) => name === 'gateway').pid);
  await until(async () => (await askGateway(site)).hangups === 1, 'the gateway has heard of it');
  launcher.kill('SIGTERM');
  t.equal(await launcher.exited, 0);
  await allGone(site);
});

t.test('a reload whose new node does not start leaves the old ones in place', async (t) => {
  const own = await makeProject(t);
  const site = await makeSite(t, { root: own });
  const launcher = site.start();
  await launcher.ready();
  const before = site.look().map(({ pid }) => pid);
  writeFileSync(join(own, 'dist/worker/main.js'), 'process.exit(1);');
  launcher.kill('SIGHUP');
  await until(() => /the old one stays/.test(launcher.output()), 'the reload has ended');
  t.notMatch(launcher.output(), 'older than the sources');
  t.match(launcher.output(), /node-1: the new one did not start \(code 1\)/);
  t.same(
    site.look().map(({ pid }) => pid),
    before,
  );
  launcher.kill('SIGTERM');
  t.equal(await launcher.exited, 0);
});

t.test('a reload says when the build is older than the sources', async (t) => {
  const own = await makeProject(t);
  const site = await makeSite(t, { root: own });
  const launcher = site.start();
  await launcher.ready();
  writeFileSync(join(own, 'tsconfig.json'), '{"pulled":true}');
  launcher.kill('SIGHUP');
  await until(() => /replaces its edges/.test(launcher.output()), 'the reload has ended');
  t.match(launcher.output(), /Reloading[^/]*older than the sources: run `npm run build`/);
  launcher.kill('SIGTERM');
  t.equal(await launcher.exited, 0);
});

t.test('a SIGHUP during a reload is done after it', async (t) => {
  const site = await makeSite(t, { root });
  const launcher = site.start({ STAND_IN_DRAIN_MS: '500' });
  await launcher.ready();
  launcher.kill('SIGHUP');
  await until(() => /Reloading/.test(launcher.output()), 'the first one runs');
  launcher.kill('SIGHUP');
  await until(
    () => launcher.output().match(/replaces its edges/g)?.length === 2,
    'both have ended',
  );
  t.equal(launcher.output().match(/node-\d replaced/g)?.length, 4);
  launcher.kill('SIGTERM');
  t.equal(await launcher.exited, 0);
});
