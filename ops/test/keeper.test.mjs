/** Replacements that come to nothing, with real processes; all else of the keeper in `node-app.test.mjs`. */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { launchChild } from '../children.mjs';
import { createKeeper } from '../keeper.mjs';
import { takeLock } from '../lock.mjs';
import { openLog } from '../logs.mjs';
import { isAlive } from '../processes.mjs';
import { createReload } from '../reload.mjs';
import { makeDir, until } from './project.mjs';

/** A kept program: says `ready` after `readyAfterMs` of its start, ends on SIGTERM. */
const makeKept = async (t, replaceTimeoutMs, changed) => {
  const logs = makeDir(t);
  const script = join(logs, 'program.mjs');
  writeFileSync(
    script,
    `setTimeout(() => process.send('ready'), Number(process.env.READY_AFTER_MS));
     process.on('disconnect', () => process.exit(0));`,
  );
  const launched = [];
  const said = [];
  const site = { readyAfterMs: 0, launched, said, script };
  const launch = async () => {
    const env = { ...process.env, READY_AFTER_MS: `${site.readyAfterMs}` };
    const running = await launchChild({ script, env, log: openLog({ logs }, 'kept') });
    launched.push(running.identity);
    return running;
  };
  const say = (text) => said.push(text);
  const keeper = createKeeper({ name: 'kept', launch, say, replaceTimeoutMs, changed });
  t.teardown(() => keeper.stop(1000));
  await keeper.start();
  return Object.assign(site, { keeper });
};

t.test('one that never becomes ready is ended, the old one stays', async (t) => {
  const site = await makeKept(t, 1000);
  site.readyAfterMs = 2 ** 30;
  t.equal(await site.keeper.replace(1000), 'not ready in time');
  const [old, next] = site.launched;
  t.ok(isAlive(old));
  t.notOk(isAlive(next));
  t.same(site.keeper.identity(), old);
  t.same(site.said, []);
});

t.test('the old one dies meanwhile: another is started for it, the new one goes', async (t) => {
  const site = await makeKept(t);
  site.readyAfterMs = 1500;
  const replaced = site.keeper.replace(1000);
  await until(() => site.launched.length === 2, 'the new one was started');
  process.kill(site.launched[0].pid, 'SIGKILL');
  t.equal(await replaced, 'ended meanwhile');
  await until(() => site.said.includes('kept is back'), 'the other one serves');
  const [, next, other] = site.launched;
  t.notOk(isAlive(next));
  t.ok(isAlive(other));
  t.same(site.keeper.identity(), other);
  t.same(site.said, ['kept ended (SIGKILL), starting it again', 'kept is back']);
  t.equal(await site.keeper.replace(1000), undefined, 'and that one can be replaced');
});

t.test('a stop ends the replacement too', async (t) => {
  const site = await makeKept(t);
  site.readyAfterMs = 1500;
  const replaced = site.keeper.replace(1000);
  await until(() => site.launched.length === 2, 'the new one was started');
  t.equal(await site.keeper.stop(1000), 'stopped');
  t.equal(await replaced, 'ended meanwhile');
  t.same(site.launched.map(isAlive), [false, false]);
});

t.test('who cannot be written down lives on; that is said once, and made up for', async (t) => {
  const dir = join(makeDir(t), 'data');
  mkdirSync(dir);
  const path = join(dir, 'kept.lock');
  const lock = await takeLock(path);
  /** @type {Awaited<ReturnType<typeof makeKept>> | undefined} */
  let site;
  const record = () => {
    const identity = site?.keeper.identity();
    lock.record(identity === undefined ? [] : [{ ...identity, name: 'kept' }]);
  };
  site = await makeKept(t, undefined, record);
  rmSync(dir, { recursive: true });

  process.kill(site.launched[0].pid, 'SIGKILL');
  await until(() => site.said.includes('kept is back'), 'it is back');
  t.ok(isAlive(site.launched[1]));
  t.equal(await site.keeper.replace(1000), undefined, 'it can be replaced');
  t.same(site.launched.map(isAlive), [false, false, true]);
  t.equal(site.said.filter((text) => /written down \(ENOENT\)/.test(text)).length, 1);

  mkdirSync(dir);
  t.equal(await site.keeper.replace(1000), undefined);
  t.equal(JSON.parse(readFileSync(path, 'utf8')).children[0].pid, site.launched[3].pid);
});

t.test('one that does not start says why', async (t) => {
  const site = await makeKept(t);
  const good = readFileSync(site.script, 'utf8');
  writeFileSync(site.script, `console.error('A setting\\n  is wrong.'); process.exit(1);`);
  t.equal(await site.keeper.replace(1000), 'code 1: A setting is wrong.');
  process.kill(site.launched[0].pid, 'SIGKILL');
  const why = 'kept did not start (code 1: A setting is wrong.), trying again';
  await until(() => site.said.includes(why), 'it says so');
  writeFileSync(site.script, good);
  await until(() => site.said.includes('kept is back'), 'it is back');
});

t.test('a reload that throws does not lose the one that was asked for meanwhile', async (t) => {
  const rounds = [];
  const reload = createReload(async () => {
    rounds.push(rounds.length);
    await new Promise(setImmediate);
    if (rounds.length === 1) throw new Error('the first one');
  });
  const first = reload();
  await Promise.all([reload(), reload()]);
  await t.rejects(first, { message: 'the first one' });
  t.same(rounds, [0, 1]);
  await reload();
  t.same(rounds, [0, 1, 2]);
});
