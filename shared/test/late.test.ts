import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { whenLate } from '../late.js';

/** After what is due now, so that the loop's next round begins with the timers. */
const stall = async (ms: number) => {
  await new Promise((resolve) => setImmediate(resolve));
  for (const end = performance.now() + ms; performance.now() < end; );
};

/** How long it was from the call on. */
const waited = async (ms: number, stallMs: number): Promise<number> => {
  const from = performance.now();
  const late = new Promise<void>((resolve) => whenLate(ms, resolve));
  await stall(stallMs);
  await late;
  return performance.now() - from;
};

t.test(
  'for as long as this process stood still, it is waited on, at most as long again',
  async (t) => {
    t.ok((await waited(300, 500)) > 690, 'stood still for 200 ms of it too long');
    const long = await waited(200, 1500);
    t.ok(long > 1690, `1500 ms, and the limit once more (${long})`);
    t.ok(long < 2790, 'not for all that it stood still');
  },
);

t.test('what answers in that time is not late; whoever stops waiting hears nothing', async (t) => {
  let calls = 0;
  const stops = [300, 350, 400].map((ms) => whenLate(ms, () => calls++));
  await stall(800);
  // The timers ring, and everything read is handled.
  await sleep(20);
  for (const stop of stops) stop();
  await sleep(500);
  t.equal(calls, 0);
});

t.test('without a standstill it is called once, and not before', async (t) => {
  let calls = 0;
  const from = performance.now();
  await new Promise<void>((resolve) => {
    whenLate(100, () => {
      calls++;
      resolve();
    });
  });
  t.ok(performance.now() - from > 95);
  await sleep(200);
  t.equal(calls, 1);
});
