/**
 * The open-loop benches that break things, each once and tiny: what they measure must be there, its
 * size means nothing.
 */
import t from 'tap';
import { ensureBuilt } from '../launch.js';
import { measureFailover } from '../open/failover-measure.js';
import { measureReload } from '../open/reload-measure.js';
import { isServed, summarise } from '../open/samples.js';
import { measureSoak } from '../open/soak-measure.js';
import { trends } from '../open/soak-watch.js';

// The machine may be slow.
t.setTimeout(180_000);

const tiny = { nodes: [2], durationSeconds: 1, pairs: 2, progress: () => {} };
const few = { users: 60, warmUpMs: 500 };

ensureBuilt();

t.test('memory is judged of those that lived through', async (t) => {
  const reading = (at: number, pid: number, rssMiB: number) => ({
    ...{ at, pid, rssMiB, kind: 'nodes', handles: 20 },
  });
  const readings = [0, 1, 2, 3, 4, 5, 6, 7].flatMap((at) => [
    reading(at, 1, at < 4 ? 100 : 120),
    ...(at < 6 ? [reading(at, 2, 50)] : []),
  ]);
  const [one, ...more] = trends(readings, 0);
  t.strictSame(one?.rssMiB, { first: 100, last: 120 });
  t.strictSame(more, []);
});

t.test('failover: a stopped node is noticed by the edges', async (t) => {
  const { scenarios, proof } = await measureFailover(
    { ...tiny, durationSeconds: 4 },
    { ...few, faults: ['SIGSTOP'], kills: 0, calmMs: 500 },
  );
  const [found] = scenarios;
  t.ok(found && found.samples.length > 0);
  t.ok(found?.avoidedMs !== undefined, 'no longer chosen');
  t.ok(proof.attempts > 0 && proof.audited > 0);
  t.equal(proof.contradicted, 0);
  t.strictSame(proof.errors, []);
});

t.test('reload: an edge reload and the replacement of a node', async (t) => {
  const { steps, samples } = await measureReload(tiny, { ...few, reloads: 1, replacements: 1 });
  t.equal(steps.length, 2);
  for (const found of Object.values(samples)) {
    const { ok } = summarise(found, { fromMs: 0, toMs: 60_000 });
    t.ok(ok > 0);
  }
});

t.test('soak: every fault once', async (t) => {
  const { happenings, readings, samples } = await measureSoak({ ...tiny, minutes: 0.2 }, few);
  t.ok(happenings.length > 2, happenings.map(({ label }) => label).join(', '));
  t.ok(samples.some(isServed));
  t.ok(readings.some(({ kind, handles }) => kind === 'edges' && handles > 5));
});
