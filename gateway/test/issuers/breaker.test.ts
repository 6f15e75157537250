import t from 'tap';
import { createBreaker } from '../../issuers/breaker.js';

const setup = (failuresToOpen = 3) => {
  const clock = { now: 1000 };
  const breaker = createBreaker({ failuresToOpen, now: () => clock.now, random: () => 0.5 });
  const fail = () => breaker.failed(breaker.enter() ?? -1);
  return { clock, breaker, fail };
};

t.test('opens after so many failures in a row, and not before', async (t) => {
  const { breaker, fail } = setup();
  fail();
  fail();
  breaker.succeeded(breaker.enter() ?? -1);
  fail();
  fail();
  t.equal(breaker.kind(), 'closed');
  fail();
  t.equal(breaker.kind(), 'open');
  t.equal(breaker.enter(), undefined);
  t.equal(breaker.waitMs(), 1000);
});

t.test('after the pause one call is the trial, and a good one closes it', async (t) => {
  const { clock, breaker, fail } = setup(1);
  fail();
  clock.now += 1000;
  t.equal(breaker.kind(), 'half-open');
  const ticket = breaker.enter();
  t.type(ticket, 'number');
  t.equal(breaker.enter(), undefined, 'one trial at a time');
  breaker.succeeded(ticket ?? -1);
  t.equal(breaker.kind(), 'closed');
  t.type(breaker.enter(), 'number');
});

t.test('each failed trial doubles the pause, up to half a minute', async (t) => {
  const { clock, breaker, fail } = setup(1);
  fail();
  const pauses = [];
  for (let i = 0; i < 7; i++) {
    pauses.push(breaker.waitMs());
    clock.now += breaker.waitMs();
    fail();
  }
  t.strictSame(pauses, [1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]);
});

t.test('what began under an earlier state decides nothing', async (t) => {
  const { clock, breaker, fail } = setup(1);
  const early = breaker.enter() ?? -1;
  const other = breaker.enter() ?? -1;
  fail();
  breaker.succeeded(early);
  t.equal(breaker.kind(), 'open', 'a late success does not close it');
  clock.now += 1000;
  const trial = breaker.enter() ?? -1;
  breaker.failed(other);
  t.equal(breaker.kind(), 'half-open', 'a late failure does not open it again');
  breaker.succeeded(trial);
  t.equal(breaker.kind(), 'closed');
});
