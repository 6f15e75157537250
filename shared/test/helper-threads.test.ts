/** V8's threads give way to the main one, and only they. In a process of its own: it is for good. */
import { execFileSync } from 'node:child_process';
import t from 'tap';
import { niceOfHelpers } from '../helper-threads.js';

const moduleUrl = new URL('../helper-threads.ts', import.meta.url).href;
/** Also starts a thread of libuv, which does what requests wait for. */
const program = `
  import { readdirSync } from 'node:fs';
  import { readFile } from 'node:fs/promises';
  import { getPriority } from 'node:os';
  const show = () => readdirSync('/proc/self/task').map(Number).sort((a, b) => a - b)
    .map((tid) => [tid === process.pid ? 'main' : 'other', getPriority(tid)]);
  await readFile('/proc/self/comm');
  const { lowerHelperThreads } = await import(${JSON.stringify(moduleUrl)});
  const before = show();
  lowerHelperThreads();
  lowerHelperThreads();
  console.log(JSON.stringify({ before, after: show() }));
`;

const run = (nice: number) => {
  const args = ['-n', String(nice), process.execPath, '--import=tsx', '--input-type=module'];
  const text = execFileSync('nice', [...args, '-e', program], { encoding: 'utf8' });
  const seen: Record<'before' | 'after', [string, number][]> = JSON.parse(text);
  return seen;
};

t.test('five threads are lowered', { skip: process.platform !== 'linux' }, async (t) => {
  const { before, after } = run(0);
  t.ok(before.length > 6 && before.every(([, nice]) => nice === 0), 'all are equal at first');
  t.same(after[0], ['main', 0]);
  t.same(
    after.slice(1, 6).map(([, nice]) => nice),
    Array.from({ length: 5 }, () => niceOfHelpers),
  );
  t.ok(
    after.slice(6).every(([, nice]) => nice === 0),
    'libuv’s stay',
  );
});

t.test('never raised', { skip: process.platform !== 'linux' }, async (t) => {
  const { before, after } = run(12);
  t.same(after, before);
});
