/** The search for parameters on machines that are numbers, and the stopwatch on threads that are. */
import t from 'tap';
import { AppError } from '../../shared/errors.js';
import { recommend, search } from '../passwords/calibration.js';
import type { Target } from '../passwords/formats/format.js';
import { targetProblem } from '../passwords/policy.js';
import { createStopwatch } from '../passwords/stopwatch.js';
import type { Done } from '../passwords/threads.js';

/** A machine that takes so long for a MiB and pass. */
const machine = (msPerMiB: number) => {
  const asked: Target[] = [];
  const measure = async (target: Target) => {
    asked.push(target);
    const togetherMs = (target.memoryKiB / 1024) * target.passes * msPerMiB;
    return { target, aloneMs: togetherMs * 0.9, togetherMs, perSecond: 2000 / togetherMs };
  };
  return { asked, measure };
};
const find = async (
  msPerMiB: number,
  { targetMs = 250, maxMemoryKiB = 1024 * 1024, hasTime = (): boolean => true } = {},
) => {
  const { asked, measure } = machine(msPerMiB);
  const all = await search({ targetMs, maxMemoryKiB, measure, hasTime });
  return { asked, all, chosen: recommend(all, targetMs) };
};

t.test('memory grows first, and little of the target is left unused', async (t) => {
  const { all, chosen } = await find(0.6);
  t.equal(chosen?.target.passes, 2);
  t.ok((chosen?.togetherMs ?? 0) <= 250 && (chosen?.togetherMs ?? 0) > 200, 'refined');
  const sizes = all.map(({ target }) => target.memoryKiB);
  t.strictSame(
    sizes,
    [...sizes].sort((a, b) => a - b),
    'weakest first',
  );
});

t.test('passes follow when memory is at its end', async (t) => {
  const fast = await find(0.26);
  t.strictSame(fast.chosen?.target, { memoryKiB: 262_144, passes: 3, lanes: 1 });
  const small = await find(0.5, { maxMemoryKiB: 40 * 1024 });
  t.strictSame(small.chosen?.target, { memoryKiB: 40 * 1024, passes: 10, lanes: 1 });
});

t.test('on any machine: within the limits, none weaker than the minimum', async (t) => {
  for (const msPerMiB of [0.001, 0.01, 0.1, 0.3, 1, 3, 10, 100])
    for (const maxMemoryKiB of [1024, 19_456, 30_000, 100_000, 10_000_000]) {
      const { asked, chosen, all } = await find(msPerMiB, { maxMemoryKiB });
      for (const target of asked) t.equal(targetProblem(target), undefined);
      t.equal(new Set(asked.map((one) => JSON.stringify(one))).size, asked.length, 'none twice');
      const isFast = (chosen?.togetherMs ?? 0) <= 250;
      t.ok(isFast || chosen?.target.memoryKiB === 19_456, 'fast enough, or the minimum');
      t.ok(all.filter(({ togetherMs }) => togetherMs > 1.25 * 250).length <= 1);
    }
});

t.test('without time only the minimum is measured', async (t) => {
  const { asked } = await find(0.1, { hasTime: () => false });
  t.equal(asked.length, 1);
});

t.test('the stopwatch counts what ends while all threads hash', async (t) => {
  let at = 0;
  const queues: Done[][] = [[], []];
  const time = createStopwatch({
    send: (index, _, done) => void queues[index]?.push(done),
    now: () => at,
  });
  const running = time(2, ['ping'], { forMs: 100, fewest: 3 });
  t.strictSame(
    queues.map(({ length }) => length),
    [2, 2],
    'one runs, one is ahead',
  );
  // Thread 0 takes 20 ms, thread 1 takes 50: the three of thread 1 decide when it is over.
  for (at = 10; queues.some(({ length }) => length > 0); at += 10)
    for (const [index, everyMs] of [20, 50].entries())
      if (at % everyMs === 0) queues[index]?.shift()?.(undefined, true);
  const { medianMs, perSecond } = await running;
  t.equal(medianMs, 20);
  t.equal(Math.round(perSecond), Math.round((1000 * 10) / 150));
});

t.test('a thread that dies ends the measurement', async (t) => {
  const died = new AppError('overloaded');
  const time = createStopwatch({ send: (_, __, done) => done(died, undefined) });
  await t.rejects(time(1, ['ping'], { forMs: 1, fewest: 1 }), died);
});
