/** The command line of the simulator. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { scenarios } from '../scenarios.js';

const script = fileURLToPath(new URL('../main.ts', import.meta.url));
const run = (...args: string[]) =>
  spawnSync(process.execPath, ['--import=tsx', script, ...args], { encoding: 'utf8' });

t.test('--help names every scenario', async (t) => {
  const { status, stdout } = run('--help');
  t.equal(status, 0);
  for (const name of Object.keys(scenarios)) t.match(stdout, name);
});

t.test('mistakes are named, and nothing runs', async (t) => {
  const cases = [
    [['--only', 'nope'], /no scenario "nope"/],
    [['--seeds', '0'], /--seeds must be a whole number from 1 to 1000, not "0"/],
    [['--loud'], /loud/],
  ] as const;
  for (const [args, expected] of cases) {
    const { status, stdout, stderr } = run(...args);
    t.equal(status, 1, args.join(' '));
    t.equal(stdout, '');
    t.match(stderr, expected);
  }
});

t.test('--json ends with one object in the form of the benches', async (t) => {
  const { status, stdout } = run('--only', 'elastic', '--seeds', '1', '--json', '--check');
  t.equal(status, 0);
  const { sim, results, criteria } = JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '');
  t.strictSame(sim, ['elastic']);
  t.equal(results.elastic.length, 2);
  for (const criterion of criteria)
    t.strictSame(Object.keys(criterion).sort(), ['measured', 'name', 'pass', 'target']);
});
