/** Real processes end: what runs at the end, in which order, and that nothing can make it long. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import t from 'tap';

const program = fileURLToPath(new URL('ending.ts', import.meta.url));
/** Longer than the test may take: who waits for this fails. */
const endless = '3600000';

/** Starts `ending.ts` and stops it; its lines, how it ended. */
const end = async (steps: string[], stopMs = endless) => {
  const child = spawn(process.execPath, ['--import=tsx', program, stopMs, ...steps], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.teardown(() => child.kill('SIGKILL'));
  const lines: string[] = [];
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    lines.push(...text.trim().split('\n'));
    if (lines.at(-1) === 'up') child.kill('SIGTERM');
  });
  const [code] = await once(child, 'close');
  return { code, lines: lines.filter((line) => line !== 'up') };
};

t.test('steps run backwards', async (t) => {
  const { code, lines } = await end(['first=ok', 'second=ok']);
  t.same(lines, ['stopping', 'second', 'first']);
  t.equal(code, 0);
});

t.test('a step that fails or hangs does not keep the others from running', async (t) => {
  const { code, lines } = await end(['first=ok', 'second=fail', 'third=hang:50']);
  const expected = ['third', 'late third', 'second', 'failed second', 'first'];
  t.same(lines, ['stopping', ...expected]);
  t.equal(code, 0);
});

t.test('the deadlines of all steps do not add up beyond that of the whole', async (t) => {
  const steps = ['first=ok', `second=hang:${endless}`, `third=hang:${endless}`];
  const { code, lines } = await end(steps, '300');
  const expected = ['third', 'late third', 'second', 'late second', 'first'];
  t.same(lines, ['stopping', ...expected]);
  t.equal(code, 0);
});
