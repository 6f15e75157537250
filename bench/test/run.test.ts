/** The command line of the bench, and the arithmetic behind its figures. Nothing here is timed. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { compare } from '../slices.js';
import { countInside, median, medianInterval, percentile, shareInside } from '../stats.js';

const script = fileURLToPath(new URL('../run.ts', import.meta.url));
const run = (...args: string[]) =>
  spawnSync(process.execPath, ['--import=tsx', script, ...args], { encoding: 'utf8' });

t.test('--help names every bench', async (t) => {
  const { status, stdout } = run('--help');
  t.equal(status, 0);
  const closedLoop = ['login', 'verify', 'engines', 'oauth', 'nodes', 'haproxy', 'timing'];
  const openLoop = ['overload', 'flood', 'hotkey', 'guesser', 'failover', 'reload', 'soak'];
  const others = ['revocation', 'import', 'campaign'];
  for (const name of [...closedLoop, ...openLoop, ...others]) t.match(stdout, name);
});

t.test('mistakes are named, in one line, and nothing starts', async (t) => {
  const cases = [
    [[], /which bench/],
    [['nope'], /no bench "nope"/],
    [['login', 'verify'], /one bench at a time/],
    [['login', '--nodes', '1,x'], /--nodes must be a whole number from 1 to 64, not "x"/],
    [['login', '--duration', '0'], /--duration must be a whole number/],
    [['login', '--loud'], /loud/],
  ] as const;
  for (const [args, expected] of cases) {
    const { status, stdout, stderr } = run(...args);
    t.equal(status, 1, args.join(' '));
    t.equal(stdout, '');
    t.match(stderr, expected);
  }
});

t.test('operations count by their share of the window', async (t) => {
  t.equal(shareInside(10, 20, 0, 100), 1);
  t.equal(shareInside(-5, 5, 0, 100), 0.5);
  t.equal(shareInside(95, 115, 0, 100), 0.25);
  t.equal(shareInside(110, 120, 0, 100), 0);
  t.equal(shareInside(-50, 150, 0, 100), 0.5);
  const { counted, latencies } = countInside([0, 10, 20, 30, 40], { settleMs: 5, windowMs: 20 });
  t.equal(counted, 2);
  t.strictSame(latencies, [10, 10]);
});

t.test('percentiles and medians', async (t) => {
  t.equal(median([3, 1, 2]), 2);
  t.equal(median([4, 1, 2, 3]), 2.5);
  t.equal(percentile([5, 1, 4, 2, 3], 0.5), 3);
  t.equal(percentile([5, 1, 4, 2, 3], 0.99), 5);
  const interval = medianInterval([0.8, 0.81, 0.79, 0.82, 0.8, 0.78]);
  t.ok(interval.low >= 0.78 && interval.high <= 0.82);
  t.equal(interval.median, 0.8);
});

t.test('a comparison takes turns and drops what neighbours disturbed', async (t) => {
  const order: string[] = [];
  let slices = 0;
  const take = (name: string, rate: number) => async () => {
    order.push(name);
    return { rate };
  };
  // The second pair is disturbed.
  const watch = () => () => (++slices === 3 ? 0.5 : 0);
  const found = await compare({
    pairs: 5,
    a: take('a', 8),
    b: take('b', 10),
    watch,
    onPair: () => {},
  });
  t.equal(order.join(''), 'abbaabbaabba');
  t.equal(found.ratio.median, 0.8);
  t.equal(found.dropped, 1);
  t.equal(found.isNoisy, false);
  t.equal(found.control.a.median, 1);
});
