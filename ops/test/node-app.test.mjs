/** A node as pm2 has it, with a stand-in for the node itself: replaced, kept, taken along. */
import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { identify, isAlive, killGroup } from '../processes.mjs';
import { foreignDir, makeDir, makeProject, plainNode, realRoot, until } from './project.mjs';

/** The applications of one data directory. */
const makeSite = async (t) => {
  const root = await makeProject(t);
  const dataDir = join(makeDir(t), 'data');
  const env = { PATH: process.env.PATH, DATA_DIR: dataDir, XDG_RUNTIME_DIR: makeDir(t) };
  /** The node that the application says it keeps. */
  const nodeOf = (instance) => {
    try {
      const text = readFileSync(join(dataDir, `node-${instance}.lock`), 'utf8');
      return JSON.parse(text).children[0];
    } catch {
      return undefined;
    }
  };

  const start = (instance, more = {}) => {
    const app = spawn(...plainNode(join(root, 'ops/node-app.mjs')), {
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      env: { ...env, NODE_APP_INSTANCE: `${instance}`, NODE_ID: 'web1', ...more },
    });
    let output = '';
    for (const stream of [app.stdout, app.stderr])
      stream.on('data', (data) => {
        output += data;
      });
    let isReady = false;
    app.on('message', (message) => {
      if (message === 'ready') isReady = true;
    });
    const exited = new Promise((resolve) => {
      app.on('exit', (code, signal) => resolve(signal ?? code));
    });
    t.teardown(() => {
      app.kill('SIGKILL');
      const node = nodeOf(instance);
      if (node !== undefined) killGroup(node);
    });
    const ready = () =>
      until(() => {
        if (app.exitCode !== null) throw new Error(`it has ended:\n${output}`);
        return isReady;
      }, 'it is ready');
    return { app, exited, output: () => output, ready };
  };

  return { root, dataDir, start, nodeOf };
};

t.test('SIGHUP puts a new node in the place of the old one; a stop takes it along', async (t) => {
  const { start, nodeOf } = await makeSite(t);
  const { app, exited, output, ready } = start(0);
  await ready();
  const first = nodeOf(0);
  t.ok(isAlive(first));
  app.kill('SIGHUP');
  await until(() => output().includes('node-0 replaced'), 'it is replaced');
  const second = nodeOf(0);
  t.notOk(isAlive(first));
  t.ok(isAlive(second));

  app.kill('SIGINT');
  t.equal(await exited, 0);
  t.notOk(isAlive(second));
  t.match(output(), 'node-0 stopped');
  t.notMatch(output(), 'older than the sources');
  t.equal(nodeOf(0), undefined);
});

t.test('it says when the build is older than the sources', async (t) => {
  const { root, start } = await makeSite(t);
  const { app, output, ready } = start(0);
  await ready();
  writeFileSync(join(root, 'tsconfig.json'), '{"pulled":true}');
  app.kill('SIGHUP');
  await until(() => output().includes('node-0 replaced'), 'it is replaced');
  t.match(output(), /node-0: The build is older than the sources[^/]*node-0 replaced/);
});

t.test('a new node that does not start leaves the old one where it is', async (t) => {
  const { root, start, nodeOf } = await makeSite(t);
  const { app, output, ready } = start(0);
  await ready();
  const before = nodeOf(0);
  writeFileSync(join(root, 'dist/worker/main.js'), 'process.exit(1);');
  app.kill('SIGHUP');
  await until(() => output().includes('the old one stays'), 'the reload has ended');
  t.match(output(), 'node-0: the new one did not start (code 1)');
  t.same(nodeOf(0), before);
  t.ok(isAlive(before));
});

t.test('the nodes of a machine take turns', async (t) => {
  const { start, nodeOf } = await makeSite(t);
  const apps = [0, 1].map((instance) => start(instance, { STAND_IN_DRAIN_MS: '500' }));
  for (const { ready } of apps) await ready();
  const before = [nodeOf(0), nodeOf(1)];
  const living = () => [nodeOf(0), nodeOf(1), ...before].filter(isAlive);
  for (const { app } of apps) app.kill('SIGHUP');
  let most = 0;
  await until(() => {
    most = Math.max(most, new Set(living().map(({ pid }) => pid)).size);
    return apps.every(({ output }) => output().includes('replaced'));
  }, 'both are replaced');
  t.ok(most <= 3, 'never two new ones beside two old ones');
  t.equal(living().length, 2);
});

t.test('one NODE_ID for all of them makes each another node', async (t) => {
  const { start } = await makeSite(t);
  const apps = [start(0), start(1), start(2, { NODE_ID: '' })];
  for (const { ready } of apps) await ready();
  for (const { app } of apps) app.kill('SIGINT');
  for (const { exited } of apps) t.equal(await exited, 0);
  t.match(apps[0].output(), '"drained web1-0"');
  t.match(apps[1].output(), '"drained web1-1"');
  t.match(apps[2].output(), '"drained "', 'the node has its own default');
});

t.test('a node that ends is started again', async (t) => {
  const { start, nodeOf } = await makeSite(t);
  const { output, ready } = start(0);
  await ready();
  const first = nodeOf(0);
  killGroup(first);
  await until(() => output().includes('node-0 is back'), 'it is back');
  t.not(nodeOf(0).pid, first.pid);
});

t.test('one that is down just now is replaced when it is back', async (t) => {
  const { root, start, nodeOf } = await makeSite(t);
  const { app, output, ready } = start(0);
  await ready();
  const program = join(root, 'dist/worker/main.js');
  const good = readFileSync(program, 'utf8');
  writeFileSync(program, 'process.exit(1);');
  killGroup(nodeOf(0));
  // By then the pauses are long enough to ask within one.
  await until(() => output().match(/did not start/g)?.length === 4, 'it fails');
  writeFileSync(program, good);
  app.kill('SIGHUP');
  await until(() => output().includes('node-0 replaced'), 'it is replaced');
  t.match(output(), /node-0 is back[\s\S]*node-0 replaced/);
  t.ok(isAlive(nodeOf(0)));
});

t.test(
  'a node does not outlive an application that is killed, and the next one waits',
  async (t) => {
    const { start, nodeOf } = await makeSite(t);
    const first = start(0);
    await first.ready();
    const node = nodeOf(0);
    first.app.kill('SIGKILL');
    await first.exited;
    const second = start(0);
    await second.ready();
    t.notOk(isAlive(node));
    t.not(nodeOf(0).pid, node.pid);
  },
);

t.test('one that cannot start says so and ends', async (t) => {
  const { start } = await makeSite(t);
  const { exited, output } = start(0, { STAND_IN_FAIL: 'web1-0' });
  t.equal(await exited, 1);
  t.match(output(), 'ARGON2_PASSES must be a whole number');
  t.match(output(), 'node-0 did not start: code 1');
});

t.test('a data directory of another user is named, without a stack', async (t) => {
  const { start } = await makeSite(t);
  const { exited, output } = start(0, { DATA_DIR: foreignDir(t) });
  t.equal(await exited, 1);
  t.match(output(), /^DATA_DIR .* belongs to user \d+.*\n$/);

  // pm2 loads its configuration and prints what that throws.
  const code = 'import(process.argv[1]).catch(console.error)';
  const env = { PATH: process.env.PATH, DATA_DIR: foreignDir(t) };
  const args = plainNode('-e', code, join(realRoot, 'ecosystem.config.js'));
  const stderr = spawnSync(...args, { env }).stderr.toString();
  t.match(stderr, /DATA_DIR .* belongs to user \d+/);
  t.notMatch(stderr, '    at ');
});

t.test('a SIGHUP while it starts neither ends it nor is lost', async (t) => {
  const { dataDir, root, start, nodeOf } = await makeSite(t);
  mkdirSync(dataDir, { mode: 0o700 });
  const orphan = spawn('sleep', ['60'], { detached: true, stdio: 'ignore' });
  t.teardown(() => orphan.kill('SIGKILL'));
  const dead = { ...identify(process.pid), started: '1' };
  const children = [{ ...identify(orphan.pid), name: 'node-0' }];
  writeFileSync(join(dataDir, 'node-0.lock'), JSON.stringify({ ...dead, children }));
  const program = join(root, 'dist/worker/main.js');
  writeFileSync(program, `setTimeout(() => {\n${readFileSync(program, 'utf8')}}, 1000);`);

  const { app, output, ready } = start(0);
  await until(() => output().includes('Waiting for node-0'), 'it waits for an earlier one');
  app.kill('SIGHUP');
  orphan.kill('SIGKILL');
  await until(() => nodeOf(0)?.pid !== orphan.pid && isAlive(nodeOf(0)), 'its node is started');
  const first = nodeOf(0);
  app.kill('SIGHUP');
  await ready();
  await until(() => output().includes('node-0 replaced'), 'the one that had read its settings');
  t.notOk(isAlive(first));
});
