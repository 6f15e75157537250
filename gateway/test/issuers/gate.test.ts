import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { createGate } from '../../issuers/gate.js';

t.test('so many at a time, the others in order, and no more than wait', async (t) => {
  const gate = createGate({ max: 2, maxWaiting: 2, maxWaitMs: 60_000 });
  t.equal(gate.enter(), true);
  t.equal(gate.enter(), true);
  const order: string[] = [];
  const third = Promise.resolve(gate.enter()).then((let_in) => order.push(`third ${let_in}`));
  const fourth = Promise.resolve(gate.enter()).then((let_in) => order.push(`fourth ${let_in}`));
  t.equal(gate.enter(), false, 'full');
  gate.leave();
  await third;
  gate.leave();
  await fourth;
  t.strictSame(order, ['third true', 'fourth true']);
  gate.leave();
  gate.leave();
  t.equal(gate.enter(), true);
  t.equal(gate.enter(), true);
  const late = gate.enter();
  t.not(late, true, 'no place appeared from nowhere');
  gate.leave();
  await late;
});

t.test('who waits too long is sent away, and the place goes to the next', async (t) => {
  const gate = createGate({ max: 1, maxWaiting: 2, maxWaitMs: 20 });
  t.equal(gate.enter(), true);
  t.equal(await gate.enter(), false);
  const next = gate.enter();
  gate.leave();
  t.equal(await next, true);
  gate.leave();
  t.equal(gate.enter(), true);
});

t.test('what we stood still is not waited for', async (t) => {
  const gate = createGate({ max: 1, maxWaiting: 1, maxWaitMs: 300 });
  t.equal(gate.enter(), true);
  const next = gate.enter();
  // After what is due now, so that the loop's next round begins with the timers.
  await new Promise((resolve) => setImmediate(resolve));
  for (const end = performance.now() + 1000; performance.now() < end; );
  await sleep(10);
  gate.leave();
  t.equal(await next, true);
});
