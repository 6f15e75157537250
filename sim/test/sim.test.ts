/** The essential acceptance figures over few seeds, and that a run can be repeated. */
import t from 'tap';
import { type Run, runWorld, type World } from '../fleet.js';
import { judgeHashing, measureHashing } from '../hashing.js';
import {
  affinity,
  amplification,
  goodput,
  latencyMs,
  most,
  notOk,
  slowestMs,
} from '../measures.js';
import { serviceMs, small, usual } from '../scenario.js';
import { scenarios } from '../scenarios.js';

const over = async (world: World, seeds = [1, 2, 3]): Promise<Run[]> => {
  const runs: Run[] = [];
  for (const seed of seeds) runs.push(await runWorld(world, seed));
  return runs;
};
const variant = (scenario: string, name: string): World => {
  const world = scenarios[scenario]?.worlds[name];
  if (world === undefined) throw new Error(`no ${scenario}: ${name}`);
  return world;
};

t.test('the same seed gives the same run, another seed another one', async (t) => {
  const world = { ...small, measureMs: 400, load: () => 0.8 };
  const [a, b, c] = await over(world, [7, 7, 8]);
  t.ok((a?.logins.length ?? 0) > 100);
  t.strictSame(a, b);
  t.notSame(a?.logins, c?.logins);
});

t.test('keys fall evenly, and only those move that must', async (t) => {
  for (const { name, measured, target, pass } of judgeHashing([1, 2].map(measureHashing)))
    t.ok(pass, `${name}: ${measured}, ${target}`);
});

t.test('at 70 % load logins stay at home and wait hardly longer than at the bound', async (t) => {
  const [ours, bound] = [
    await over(variant('steady', 'ours 0.7')),
    await over(variant('steady', 'jsq 0.7')),
  ];
  t.ok(affinity(ours) >= 0.94, `affinity ${affinity(ours)}`);
  t.ok(latencyMs(ours, 0.99) <= 1.35 * latencyMs(bound, 0.99));
  t.equal(most(ours, notOk), 0);
});

t.test('at five times the capacity the nodes stay busy with logins that end in time', async (t) => {
  const world = variant('overload', 'ours 5');
  const runs = await over(world, [1, 2]);
  t.ok(goodput(runs, world.measureMs) >= 0.95, `goodput ${goodput(runs, world.measureMs)}`);
  t.ok(latencyMs(runs, 0.99) <= 90 + 3 * serviceMs, `p99 ${latencyMs(runs, 0.99)}`);
  t.ok(amplification(runs) <= 1.1);
});

t.test('a killed node costs no login', async (t) => {
  t.equal(most(await over(variant('kill', 'registry alive')), notOk), 0);
});

t.test('a node that hangs is left within a second and costs nobody the deadline', async (t) => {
  const events = [
    { atMs: 200, run: (fleet: Parameters<NonNullable<World['start']>>[0]) => fleet.find(0).stop() },
  ];
  const runs = await over({ ...small, measureMs: 2500, load: () => 0.45, events }, [1, 2]);
  t.ok(slowestMs(runs) < 2500, `slowest ${slowestMs(runs)}`);
  t.ok(most(runs, notOk) <= small.slots + 5);
  for (const { samples } of runs) {
    const opened = samples.find(({ open }) => open.every((count) => count > 0));
    t.ok((opened?.atMs ?? Number.POSITIVE_INFINITY) <= 1400, 'every edge opens its breaker');
  }
});

t.test('a node that fails fast attracts nobody', async (t) => {
  const events = [
    {
      atMs: 100,
      run: (fleet: Parameters<NonNullable<World['start']>>[0]) => fleet.find(0).setFailing(true),
    },
  ];
  const runs = await over({ ...usual, load: () => 0.7, events }, [1, 2]);
  t.ok(most(runs, notOk) <= 5 * usual.edges.length + 5, 'five failures per edge open it');
  t.equal(
    most(runs, ({ counts }) => counts.toOpen),
    0,
  );
});
