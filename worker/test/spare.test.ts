import t from 'tap';
import { createSpare, Over } from '../campaigns/spare.js';
import { createAdmission } from '../passwords/admission.js';
import { argon2Cost } from '../passwords/recipes/argon2.js';
import type { Done } from '../passwords/threads.js';
import type { Work } from '../passwords/work.js';

const cost = argon2Cost(64, 1);
const ping: Work = ['ping'];

/** Threads that take `tookMs` of a clock that nothing else moves; `turn` runs in every pause. */
const createSetup = (given: { slots: number; tookMs?: number; turn?: () => void }) => {
  let now = 0;
  const slept: number[] = [];
  const held: Done[] = [];
  const admission = createAdmission({
    ...{ slots: given.slots, memoryBytes: 2 ** 30, defaultCost: cost, initialMs: 20 },
    send: (_, work, done) => {
      if (work[0] !== 'ping') return void held.push(done);
      now += given.tookMs ?? 10;
      setImmediate(() => done(undefined, true));
    },
    now: () => now,
  });
  const sleep = async (ms: number) => {
    slept.push(ms);
    now += ms;
    given.turn?.();
  };
  const spare = createSpare({ admission, now: () => now, sleep });
  return { admission, spare, slept };
};

t.test('a lane rests in proportion, so that its share is kept', async (t) => {
  const never = () => false;
  for (const [slots, share, lanes] of [
    [1, 1, 1],
    [1, 100, 1],
    [4, 50, 2],
    [3, 50, 2],
    [8, 10, 1],
  ] as const)
    t.equal(createSetup({ slots }).spare.lanes(share, never).length, lanes);

  const { spare, slept } = createSetup({ slots: 1 });
  const [quarter] = spare.lanes(25, never);
  for (let i = 0; i < 3; i++) await quarter?.(ping, cost);
  t.same(slept, [30, 30], '10 ms of work, then 30 of rest');
  const whole = createSetup({ slots: 1 });
  const [all] = whole.spare.lanes(100, never);
  for (let i = 0; i < 3; i++) await all?.(ping, cost);
  t.same(whole.slept, []);
});

t.test('nothing runs while no slot is free, and waiting counts as work', async (t) => {
  let turns = 0;
  const turn = () => {
    if (++turns === 4) setup.admission.leave(ticket);
  };
  const setup = createSetup({ slots: 1, turn });
  const ticket = setup.admission.enter({
    class: 'login',
    deadlineAt: Number.POSITIVE_INFINITY,
    isGone: () => false,
  });
  t.throws(
    () =>
      setup.admission.enter({
        class: 'campaign',
        deadlineAt: Number.POSITIVE_INFINITY,
        isGone: () => false,
      }),
    { code: 'overloaded' },
    'its class has no budget to wait',
  );
  const [half] = setup.spare.lanes(50, () => false);
  await half?.(ping, cost);
  t.same(setup.slept, [5, 5, 5, 5], 'polled until the login had left');
  await half?.(ping, cost);
  t.equal(setup.slept.at(-1), 30, '20 of waiting and 10 of work');
});

t.test('it ends when there is to be no more work', async (t) => {
  let turns = 0;
  const setup = createSetup({ slots: 1, turn: () => void turns++ });
  const ticket = setup.admission.enter({
    class: 'login',
    deadlineAt: Number.POSITIVE_INFINITY,
    isGone: () => false,
  });
  const [lane] = setup.spare.lanes(100, () => turns > 3);
  await t.rejects(Promise.resolve(lane?.(ping, cost)), Over);
  setup.admission.leave(ticket);
});

t.test('who waited for minutes owes no hours, and a rest hears of the end', async (t) => {
  let isOver = false;
  let waits = 0;
  const setup = createSetup({
    slots: 1,
    turn: () => {
      if (++waits === 60_000) setup.admission.leave(ticket);
    },
  });
  const ticket = setup.admission.enter({
    class: 'login',
    deadlineAt: Number.POSITIVE_INFINITY,
    isGone: () => false,
  });
  const [tenth] = setup.spare.lanes(10, () => isOver);
  await tenth?.(ping, cost);
  t.ok(waits >= 60_000, 'five minutes');
  const before = setup.slept.length;
  await tenth?.(ping, cost);
  const rested = setup.slept.slice(before).reduce((sum, ms) => sum + ms, 0);
  t.equal(Math.round(rested), 9 * (250 + 10), 'a quarter of a second of waiting, and the work');
  t.ok(Math.max(...setup.slept) <= 250);
  isOver = true;
  for (let i = 0; i < 3; i++) await Promise.resolve(tenth?.(ping, cost)).catch(() => {});
  await t.rejects(Promise.resolve(tenth?.(ping, cost)), Over);
});
