import t from 'tap';
import { createKnownLimits } from '../../limits/known-limits.js';

const open = () => {
  const clock = { now: 1000 };
  return { clock, known: createKnownLimits({ now: () => clock.now }) };
};

t.test('a wait is known for five seconds, and gets shorter meanwhile', async (t) => {
  const { clock, known } = open();
  known.heard('one', 60_000, 900);
  t.equal(known.waitMs('one'), 59_900);
  t.equal(known.waitMs('another'), 0);
  clock.now = 5899;
  t.equal(known.waitMs('one'), 55_001);
  clock.now = 5900;
  t.equal(known.waitMs('one'), 0, 'the store is asked again');
  known.heard('one', 55_000, 5900);
  t.equal(known.waitMs('one'), 55_000, 'and says how long it is now');
});

t.test('what a lease may end is not known', async (t) => {
  const { known } = open();
  known.heard('one', 5000, 1000);
  known.heard('another', 5001, 1000);
  t.equal(known.waitMs('one'), 0);
  t.equal(known.waitMs('another'), 5001);
});

t.test('ten thousand are known, those who asked last', async (t) => {
  const { known } = open();
  for (let i = 0; i < 10_000; i++) known.heard(`who ${i}`, 60_000, 1000);
  t.equal(known.waitMs('who 0'), 60_000, 'asks again');
  known.heard('who 10000', 60_000, 1000);
  t.equal(known.waitMs('who 0'), 60_000);
  t.equal(known.waitMs('who 1'), 0);
  t.equal(known.waitMs('who 10000'), 60_000);
});
