import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { createFindHung } from '../silence.js';
import { until } from './store.js';

type Line = { text?: string; child?: number; pids?: number[] };

/** A primary with three children, on its own processes. */
const startBare = async (t: Test, ...args: string[]) => {
  const file = fileURLToPath(new URL('bare-primary.ts', import.meta.url));
  const primary = spawn(process.execPath, ['--import=tsx', file, '2', ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = once(primary, 'exit');
  t.teardown(async () => {
    primary.kill();
    await exited;
  });
  const lines: Line[] = [];
  createInterface(primary.stdout).on('line', (line) => lines.push(JSON.parse(line)));
  const said = (text: string) => lines.filter((line) => line.text?.startsWith(text));
  if (!(await until(() => said('gateway is ready').length === 1, 60_000)))
    throw new Error('the primary does not start');
  const pids = lines[0]?.pids ?? [];
  const signal = (name: NodeJS.Signals, some = pids) => {
    for (const pid of some) process.kill(pid, name);
  };
  t.teardown(() => {
    for (const pid of pids)
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // It has ended.
      }
  });
  return { pids, signal, said };
};

t.test('when all children are silent, none is killed; one alone is', async (t) => {
  const { pids, signal, said } = await startBare(t);
  signal('SIGSTOP');
  await sleep(5000);
  signal('SIGCONT');
  await sleep(2000);
  t.same(said('child'), [], 'nobody was lost');
  t.equal(said('all children are silent').length, 1, 'it is said once');
  const first = pids.slice(0, 1);
  signal('SIGSTOP', first);
  t.ok(await until(() => said('child lost').length === 1, 10_000));
  t.match(said('child is silent'), [{ child: first[0] }]);
});

t.test(
  'one that never becomes ready in the place of a lost one is given up, each time',
  async (t) => {
    const { pids, signal, said } = await startBare(t, 'stuck');
    const first = pids.slice(0, 1);
    signal('SIGKILL', first);
    t.ok(await until(() => said('child does not become ready').length >= 2, 20_000));
    const killed = said('child does not become ready').map(({ child }) => child);
    t.equal(new Set([...first, ...killed]).size, killed.length + 1, 'another one each time');
    t.notOk(
      killed.some((child) => pids.includes(child ?? 0)),
      'nobody who was ready',
    );
  },
);

/** Three children that are asked every half second. */
const setUp = () => {
  let clock = 0;
  const said: string[] = [];
  const log = { error: (_: object, text: string) => void said.push(text) };
  const find = createFindHung<{ name: string; isReady: boolean; heardAt: number }>({
    log,
    now: () => clock,
  });
  const children = ['a', 'b', 'c'].map((name) => ({ name, isReady: true, heardAt: 0 }));
  /** Who is found until then, while `heard` are heard. */
  const pass = (ms: number, heard = '') => {
    const found: string[] = [];
    for (const end = clock + ms; clock < end; ) {
      clock += 500;
      for (const child of children) if (heard.includes(child.name)) child.heardAt = clock;
      found.push(...find(children).map(({ name }) => name));
    }
    return found.join('');
  };
  const stall = (ms: number) => {
    clock += ms;
  };
  return { said, children, pass, stall };
};

t.test('whoever is silent while others are heard is found, once', async (t) => {
  const { pass, said } = setUp();
  t.equal(pass(2000, 'bc'), '');
  t.equal(pass(500, 'bc'), 'a');
  t.equal(pass(20_000, 'bc'), '');
  t.equal(pass(20_000, 'c'), 'b');
  t.same(said, []);
  t.equal(pass(2500), 'c', 'the only one that is left');
});

t.test('all of them are waited for, and then given up one by one', async (t) => {
  const { pass, said } = setUp();
  t.equal(pass(12_000), '');
  t.equal(pass(500), 'a');
  t.equal(pass(500), 'b');
  t.equal(pass(500), 'c');
  t.equal(pass(20_000), '');
  t.equal(said.length, 1);
});

t.test('they need not have been heard last at the same moment', async (t) => {
  const { pass, said } = setUp();
  t.equal(pass(500, 'abc'), '');
  t.equal(pass(500, 'b'), '');
  t.equal(pass(10_000), '');
  t.equal(said.length, 1);
});

t.test('when one is heard again, the others have their time again', async (t) => {
  const { pass, said } = setUp();
  t.equal(pass(9000), '');
  t.equal(pass(2000, 'b'), '');
  t.equal(pass(1000, 'bc'), 'a');
  pass(9000);
  t.equal(said.length, 2);
});

t.test(
  'after a standstill of our own nobody is silent; who is not ready is not asked',
  async (t) => {
    const { pass, stall, said, children } = setUp();
    stall(30_000);
    t.equal(pass(2000), '');
    t.same(said, []);
    for (const child of children) child.isReady = false;
    t.equal(pass(30_000), '');
  },
);
