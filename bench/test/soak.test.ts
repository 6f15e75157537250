/** A soak of some seconds with some faults, and how its memory is judged. */
import t from 'tap';
import { ensureBuilt } from '../launch.js';
import { isServed } from '../open/samples.js';
import { measureSoak } from '../open/soak-measure.js';
import { lifeOf, trends } from '../open/soak-watch.js';

// The machine may be slow.
t.setTimeout(180_000);

const tiny = { nodes: [2], durationSeconds: 1, pairs: 2, progress: () => {} };
const few = { users: 40, warmUpMs: 500 };

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
  t.strictSame(lifeOf(readings, 2)?.rssMiB, { first: 50, last: 50 });
  t.strictSame(trends(readings, 4)[0]?.rssMiB, { first: 120, last: 120 });
});

t.test('soak: faults, one after the other', async (t) => {
  ensureBuilt();
  const { happenings, readings, samples } = await measureSoak({ ...tiny, minutes: 0.2 }, few);
  // How many there is time for is the machine's affair.
  t.ok(happenings.length > 0, happenings.map(({ label }) => label).join(', '));
  t.ok(samples.some(isServed));
  t.ok(readings.some(({ kind, handles }) => kind === 'edges' && handles > 5));
});
