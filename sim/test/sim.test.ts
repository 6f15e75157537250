/** The essential acceptance figures over few seeds, and that a run can be repeated. */
import t from 'tap';
import { runWorld } from '../fleet.js';
import { judgeHashing, measureHashing, measurePeaks } from '../hashing.js';
import {
  affinity,
  amplification,
  attempts,
  goodput,
  latencyMs,
  lateShare,
  most,
  notOk,
  refusedByNodes,
  refusedShare,
  servedShare,
  slowestMs,
} from '../measures.js';
import { serviceMs, small, usual } from '../scenario.js';
import { scenarios } from '../scenarios.js';
import type { Fleet, Run, World } from '../world.js';

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
  for (const { name, measured, target, pass } of judgeHashing(
    [1, 2].map(measureHashing),
    [1, 2].map(measurePeaks),
  ))
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

t.test('what few notice: a hot account, a slow node, edges with unequal shares', async (t) => {
  const [even, hot, slow, skewed] = [
    await over(variant('steady', 'ours 0.7'), [1, 2]),
    await over(variant('steady', 'hot account 0.7'), [1, 2]),
    await over(variant('steady', 'one node 3 x slow 0.7'), [1, 2]),
    await over(variant('steady', 'skewed edges 0.7'), [1, 2]),
  ];
  const p99 = latencyMs(even, 0.99);
  const ofOthers = latencyMs(hot, 0.99, ({ isHot }) => !isHot) / p99;
  t.ok(ofOthers <= 1.4, `beside a hot account p99 × ${ofOthers}`);
  t.ok(latencyMs(slow, 0.99) <= 8.5 * serviceMs, `beside a slow node ${latencyMs(slow, 0.99)}`);
  const ofSkewed = latencyMs(skewed, 0.99) / p99;
  t.ok(ofSkewed <= 1.25, `with unequal edges p99 × ${ofSkewed}`);
  t.ok(affinity(skewed) >= 0.88 * affinity(even), `affinity ${affinity(skewed)}`);
});

t.test('beyond the capacity the nodes stay busy with logins that end in time', async (t) => {
  for (const [multiple, floor, ofNodes] of [
    [5, 0.95, 0.05],
    [10, 0.9, 0.03],
  ] as const) {
    const world = variant('overload', `ours ${multiple}`);
    const runs = await over(world, [1, 2]);
    const served = goodput(runs, world.measureMs);
    t.ok(served >= floor, `goodput at ${multiple} × ${served}`);
    t.ok(latencyMs(runs, 0.99) <= 90 + 3 * serviceMs, `p99 ${latencyMs(runs, 0.99)}`);
    t.ok(amplification(runs) <= 1.1 && attempts(runs) <= 1.1);
    t.ok(refusedByNodes(runs) <= ofNodes, `refused by nodes ${refusedByNodes(runs)}`);
    t.ok(lateShare(runs) <= 0.002, `late ${lateShare(runs)}`);
  }
});

t.test('a burst of 120 ms is nearly all served', async (t) => {
  const refused = refusedShare(await over(variant('burst', '120 ms')));
  t.ok(refused <= 0.03, `refused ${refused}`);
});

t.test('known devices keep their place, suspects lose it first', async (t) => {
  const runs = await over(variant('classes', 'devices 2'), [1, 2]);
  const [devices, logins] = (['device', 'login'] as const).map((name) =>
    servedShare(runs, ({ cls }) => cls === name),
  );
  t.ok((devices ?? 0) >= 0.97, `devices ${devices}`);
  t.ok((logins ?? 1) >= 0.35 && (logins ?? 1) <= 0.55, `logins ${logins}`);
  const order = await over({ ...variant('classes', 'order'), measureMs: 4000 }, [1, 2]);
  const of = (name: string) => servedShare(order, ({ cls }) => cls === name);
  t.ok(of('device') > of('login') && of('login') > of('suspect') + 0.3);
});

t.test(
  'a registry that stands still for longer than its entries live costs no login',
  async (t) => {
    const isFrozen = (isSo: boolean) => (fleet: Fleet) => fleet.freezeRegistry(isSo);
    const freezing = [
      { atMs: 0, run: isFrozen(true) },
      { atMs: 6000, run: isFrozen(false) },
    ];
    const world = { ...variant('frozen', 'as usual'), measureMs: 11_000 };
    const [usual, frozen, killed] = [
      await over(world, [1, 2]),
      await over({ ...world, events: freezing }, [1, 2]),
      await over(
        { ...world, events: [...freezing, { atMs: 1000, run: (fleet) => fleet.kill(0) }] },
        [1, 2],
      ),
    ];
    t.equal(most(frozen, notOk), 0);
    t.ok(latencyMs(frozen, 0.99) <= 1.05 * latencyMs(usual, 0.99));
    t.equal(most(killed, notOk), 0);
  },
);

t.test('nodes that flap: panic comes and goes, no open breaker is used without it', async (t) => {
  const runs = await over(variant('flapping', 'flapping'), [1, 2]);
  for (const { name, measured, target, pass } of scenarios.flapping?.judge(() => runs) ?? [])
    t.ok(pass, `${name}: ${measured}, ${target}`);
});

t.test('a killed node costs no login', async (t) => {
  t.equal(most(await over(variant('kill', 'kill')), notOk), 0);
});

t.test('a node that hangs is left within a second and costs nobody the deadline', async (t) => {
  const events = [{ atMs: 200, run: (fleet: Fleet) => fleet.find(0).stop() }];
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
      run: (fleet: Fleet) => fleet.find(0).setFailing(true),
    },
  ];
  const runs = await over({ ...usual, load: () => 0.7, events }, [1, 2]);
  t.ok(most(runs, notOk) <= 5 * usual.edges.length + 5, 'five failures per edge open it');
  t.equal(
    most(runs, ({ counts }) => counts.toOpen),
    0,
  );
});
