import t from 'tap';
import { createLateness } from '../lateness.js';

const setUp = () => {
  let clock = 0;
  const lateness = createLateness({ now: () => clock });
  /** Ticks in time until then. */
  const calmUntil = (ms: number) => {
    while (clock + 100 <= ms) {
      clock += 100;
      lateness.tick();
    }
    clock = ms;
  };
  const stall = (ms: number) => {
    clock += ms;
  };
  return { ...lateness, calmUntil, stall };
};

t.test('what ticks in time is not late', async (t) => {
  const { longestMs, calmUntil } = setUp();
  calmUntil(60_000);
  t.equal(longestMs(), 0);
});

t.test('a stall is seen at once, by whoever looks, for 15 to 30 s', async (t) => {
  for (const at of [0, 7000, 14_800, 15_100, 29_000]) {
    const { longestMs, calmUntil, stall, tick } = setUp();
    calmUntil(at);
    stall(900);
    t.equal(longestMs(), 800, 'before the late tick');
    tick();
    for (const later of [0, 5000, 10_000, 15_000]) {
      calmUntil(at + 900 + later);
      t.equal(longestMs(), 800, `a stall at ${at}, ${later} ms later`);
    }
    calmUntil(at + 900 + 30_200);
    t.equal(longestMs(), 0, 'it is over');
  }
});

t.test('a shorter stall does not hide a longer one, and outlives it', async (t) => {
  const { longestMs, calmUntil, stall, tick } = setUp();
  calmUntil(1000);
  stall(600);
  tick();
  calmUntil(20_000);
  stall(300);
  tick();
  t.equal(longestMs(), 500);
  calmUntil(32_000);
  t.equal(longestMs(), 200);
});
