/** `floodgate calibrate` as a user runs it, and its check at a real node; tiny, so figures mean nothing. */
import { spawn, spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { checkByLogins } from '../calibrate-check.mjs';
import { formatFindings } from '../calibrate-table.mjs';
import { isAlive, killGroup } from '../processes.mjs';
import { listRunning, makeDir, plainNode, realRoot, until } from './project.mjs';

t.setTimeout(300_000);

/** @param {string[]} args */
const run = (...args) => {
  const [command, all] = plainNode(join(realRoot, 'ops/floodgate.mjs'), 'calibrate', ...args);
  return spawnSync(command, all, { encoding: 'utf8' });
};

t.test('mistakes are named and nothing is measured', async (t) => {
  const cases = [
    { args: ['--target', 'fast'], expected: /--target must be a whole number from 20 to 2000/ },
    { args: ['--threads', '0'], expected: /--threads must be/ },
    { args: ['--loud'], expected: /loud/ },
  ];
  for (const { args, expected } of cases) {
    const { status, stdout, stderr } = run(...args);
    t.equal(status, 2, args.join(' '));
    t.equal(stdout, '');
    t.match(stderr, expected);
  }
  t.match(run('--help').stdout, '--target 250ms');
});

t.test('what is measured is printed, and holds at a real node', async (t) => {
  const small = ['--target', '20', '--threads', '1', '--seconds', '1'];
  const { stdout, stderr } = run(...small, '--no-check', '--json');
  t.equal(stderr, '');
  const found = JSON.parse(stdout);
  const [minimum] = found.candidates;
  t.match(minimum, { memory_kib: 19_456, passes: 2, lanes: 1, memory_bytes: 19_456 * 1024 });
  t.ok(minimum.per_second > 0 && minimum.together_ms > 0);
  const text = formatFindings(found);
  const chosen = found.candidates[found.recommended];
  t.match(text, `ARGON2_MEMORY_KIB=${chosen.memory_kib}\n`);
  t.match(text, 'Not checked with logins: not wanted.');
});

const password = 'correct horse battery staple';
const hash =
  '$argon2id$v=19$m=19456,t=2,p=1$c29tZSBzYWx0IG9mIG91cnM$' +
  'CZD4ZUYyo/FAUdoKOekPjvA5iLei1Dil+7ZyvvX4bF4';
const chosen = {
  ...{ memory_kib: 19_456, passes: 2, lanes: 1, alone_ms: 20, together_ms: 20 },
  ...{ per_second: 10, memory_bytes: 0, burst_budget_ms: 270, sustained_budget_ms: 90 },
};

t.test('the check signs in at a node with these settings', async (t) => {
  const check = await checkByLogins(
    { threads: 1, chosen, password, hash, env: process.env, progress: () => {} },
    { warmUpMs: 100, runMs: 1000 },
  );
  if ('left_out' in check) return t.fail(check.left_out);
  t.equal(check.rate, 7);
  // Whether a node in time serves or refuses is not asked here.
  t.equal(check.failed, 0);
  t.equal(check.ok + check.refused, check.sent);
});

t.test('a terminal that is gone leaves nothing of the check behind', async (t) => {
  const tmp = makeDir(t);
  const code = `
    const { checkByLogins } = await import(process.argv[1]);
    const given = JSON.parse(process.argv[2]);
    await checkByLogins({ ...given, env: process.env, progress: console.log });`;
  const given = JSON.stringify({ threads: 1, chosen, password, hash });
  const args = [join(realRoot, 'ops/calibrate-check.mjs'), given];
  const check = spawn(...plainNode('--input-type=module', '-e', code, ...args), {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { PATH: process.env.PATH, HOME: process.env.HOME, TMPDIR: tmp },
  });
  const exited = new Promise((resolve) => {
    check.once('exit', (exitCode, signal) => resolve(signal ?? exitCode));
  });
  let output = '';
  check.stdout.on('data', (data) => {
    output += data;
  });
  await until(() => output.includes('making accounts'), 'its system is up', 30_000);
  const running = readdirSync(tmp).flatMap((name) => listRunning(join(tmp, name)));
  t.teardown(() => running.forEach(killGroup));
  t.equal(running.length, 1, 'its Redis');
  check.kill('SIGHUP');
  t.equal(await exited, 130);
  t.notOk(running.some(isAlive));
  t.same(readdirSync(tmp), []);
});
