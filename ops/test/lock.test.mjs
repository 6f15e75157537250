/** The lock of a data directory, by real processes. */
import { spawn } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { takeLock } from '../lock.mjs';
import { identify } from '../processes.mjs';
import { makeDir, realRoot, until } from './project.mjs';

const code = `
  const { takeLock } = await import(process.argv[1]);
  try {
    const lock = await takeLock(process.argv[2]);
    lock.record([{ ...JSON.parse(process.argv[3]), name: 'node-1' }]);
    console.log('held ' + lock.previous.length);
    setInterval(() => {}, 1000);
  } catch (error) {
    console.log(error.message);
  }
`;

/** A process that takes the lock and stays. */
const contend = (t, path, child = identify(process.pid)) => {
  const args = [join(realRoot, 'ops/lock.mjs'), path, JSON.stringify(child)];
  const contender = spawn(process.execPath, ['--input-type=module', '-e', code, ...args]);
  t.teardown(() => contender.kill('SIGKILL'));
  let output = '';
  contender.stdout.on('data', (data) => {
    output += data;
  });
  const exited = new Promise((resolve) => contender.once('exit', resolve));
  return {
    pid: contender.pid,
    output: () => output,
    kill: () => contender.kill('SIGKILL'),
    exited,
  };
};

t.test('a second process is told who holds the lock', async (t) => {
  const path = join(makeDir(t), 'launcher.lock');
  const first = contend(t, path);
  await until(() => first.output().includes('held'), 'the first holds it');
  const second = contend(t, path);
  await second.exited;
  t.match(second.output(), `already running (pid ${first.pid})`);
});

t.test('a lock of something else is told in its own words', async (t) => {
  const path = join(makeDir(t), 'ca.lock');
  const first = contend(t, path);
  await until(() => first.output().includes('held'), 'the first holds it');
  const refused = takeLock(path, 'Somebody makes a CA');
  await t.rejects(refused, { message: `Somebody makes a CA (pid ${first.pid}).` });
});

t.test('the lock of a killed process is taken over with its list of children', async (t) => {
  const path = join(makeDir(t), 'launcher.lock');
  const first = contend(t, path);
  await until(() => first.output().includes('held'), 'the first holds it');
  first.kill();
  await first.exited;
  const lock = await takeLock(path);
  t.equal(lock.previous.length, 1);
  t.equal(lock.previous[0]?.pid, process.pid);
  lock.release();
  t.notOk(existsSync(path));
});

t.test('a recycled pid does not look like the holder', async (t) => {
  const path = join(makeDir(t), 'launcher.lock');
  const other = { ...identify(process.ppid), started: '1' };
  writeFileSync(path, JSON.stringify({ ...other, children: [] }));
  const lock = await takeLock(path);
  lock.release();
  t.notOk(existsSync(path));
});

t.test('a lock file with rubbish in it is taken over', async (t) => {
  const path = join(makeDir(t), 'launcher.lock');
  writeFileSync(path, 'rubbish');
  const lock = await takeLock(path);
  t.same(lock.previous, []);
  lock.release();
});

t.test('of many that take over a dead lock at once exactly one wins', async (t) => {
  for (let round = 0; round < 3; round++) {
    const path = join(makeDir(t), 'launcher.lock');
    writeFileSync(path, JSON.stringify({ ...identify(process.pid), started: '1', children: [] }));
    const contenders = Array.from({ length: 6 }, () => contend(t, path));
    await until(() => contenders.every((one) => one.output() !== ''), 'all have an answer');
    t.equal(contenders.filter((one) => one.output().startsWith('held')).length, 1);
    for (const one of contenders) one.kill();
  }
});

t.test('a claim left by a process that died while taking over is no obstacle', async (t) => {
  const path = join(makeDir(t), 'launcher.lock');
  const dead = JSON.stringify({ ...identify(process.pid), started: '1', children: [] });
  writeFileSync(path, dead);
  writeFileSync(`${path}.claim`, dead);
  const lock = await takeLock(path);
  lock.release();
  t.notOk(existsSync(`${path}.claim`));
});
