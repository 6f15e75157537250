/**
 * The open-loop benches, each once and tiny: what they measure must be there, its size means nothing.
 */
import t from 'tap';
import { ensureBuilt } from '../../launch.js';
import { measureBeside } from '../../open/beside-measure.js';
import { measureFailover } from '../../open/failover-measure.js';
import { measureFlood } from '../../open/flood-measure.js';
import { guessingAddress } from '../../open/guesser.js';
import { hotAccount } from '../../open/hotkey.js';
import { measureOverload, sizes as overloadSizes } from '../../open/overload-measure.js';
import { measureReload } from '../../open/reload-measure.js';
import { isServed, summarise } from '../../open/samples.js';

// The machine may be slow.
t.setTimeout(180_000);

const tiny = { nodes: [2], durationSeconds: 1, pairs: 2, progress: () => {} };
const few = { users: 60, warmUpMs: 500 };

ensureBuilt();

t.test('overload: what is served, what is refused, and where', async (t) => {
  ensureBuilt();
  const burst = { base: 0.5, factor: 5, beforeMs: 500, durationMs: 500, afterMs: 500 };
  const [found] = await measureOverload(tiny, {
    ...overloadSizes,
    ...{
      ...few,
      burst,
      layouts: ['shared'],
      factors: [10],
      closingFactors: [10],
      refusalsMs: 300,
      settleMs: 0,
      pauseMs: 300,
    },
  });
  const [level, closing] = found?.levels ?? [];
  t.ok(level && level.ok > 0 && level.refused > 0, JSON.stringify(level?.codes));
  t.ok(
    level && level.edgeShare + level.nodeShare > 0 && level.serviceMs > 0 && level.hashCores > 0,
  );
  t.ok(level && level.capacityHashCores > 0);
  t.ok(found?.loops.every(({ perSecond, hashCores }) => perSecond > 0 && hashCores > 0));
  t.ok(found?.levels.every(({ goodput }) => goodput <= found.best));
  t.ok(closing?.closing && closing.ok > 0, JSON.stringify(closing?.codes));
  t.ok(found?.burst.samples.some(({ tries }) => tries > 0));
});

t.test('flood: logins beyond what an edge can look at, and checks beside them', async (t) => {
  const its = { clients: [64], capacityMs: 500, settleMs: 1000 };
  const { capacity, levels } = await measureFlood(tiny, { ...few, ...its });
  const [found] = levels;
  t.ok(capacity > 0 && found && found.logins.refused > 0);
  t.ok(found && found.kept.ok > 0 && found.fresh.ok > 0);
  t.ok(found && found.edgeCpuUs > 0 && found.edgeMiB.first > 0 && found.edgeMiB.last > 0);
});

for (const [name, crowd] of Object.entries({ hotAccount, guessingAddress }))
  t.test(`${name}: both kinds of slices have others that are served`, async (t) => {
    const its = { ...few, slice: { settleMs: 100, windowMs: 600 }, capacityMs: 500 };
    const { comparison } = await measureBeside(tiny, crowd(), its);
    t.ok(comparison.a.some(({ beside }) => beside.length > 0));
    t.ok(comparison.b.every(({ beside }) => beside.length === 0));
    t.ok([...comparison.a, ...comparison.b].some(({ others }) => others.some(isServed)));
    t.ok(comparison.a.every(({ cpuMs }) => cpuMs.edges > 0 && cpuMs.redis > 0));
  });

t.test('failover: a stopped node is noticed by the edges', async (t) => {
  const { scenarios, proof, balance } = await measureFailover(
    { ...tiny, durationSeconds: 4 },
    { ...few, faults: ['SIGSTOP'], kills: 0, calmMs: 500 },
  );
  const [found] = scenarios;
  t.ok(found && found.samples.length > 0);
  const statuses = new Set(found?.samples.map(({ group, status }) => `${group} ${status}`));
  for (const right of ['all 200', 'wrong 401', 'new 201']) t.ok(statuses.has(right), right);
  t.ok(found && found.attemptsPerRequest >= 1);
  t.ok(found?.avoidedMs !== undefined, 'no longer chosen');
  t.ok(proof.attempts > 0 && proof.audited > 0);
  t.equal(proof.contradicted, 0);
  t.ok(balance.answers > 0);
  t.strictSame({ ...balance, answers: 0 }, { answers: 0, missing: 0, extra: 0, unaudited: 0 });
  t.strictSame(proof.errors, []);
});

t.test('reload: an edge reload and the replacement of a node', async (t) => {
  const { steps, samples } = await measureReload(tiny, {
    ...few,
    reloads: 1,
    replacements: 1,
    drains: 1,
  });
  t.equal(steps.length, 3);
  for (const found of Object.values(samples)) {
    const { ok } = summarise(found, { fromMs: 0, toMs: 60_000 });
    t.ok(ok > 0);
  }
});
