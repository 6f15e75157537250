import t from 'tap';
import { createFence } from '../fence.js';

const createSetup = (t: { teardown(fn: () => unknown): void }) => {
  let clock = 0;
  const stalls: number[] = [];
  const fence = createFence({ now: () => clock, onStall: (ms) => stalls.push(ms) });
  t.teardown(fence.stop);
  const isOpen = () => {
    try {
      fence.check();
      return true;
    } catch {
      return false;
    }
  };
  const at = (ms: number) => {
    clock = ms;
  };
  return { fence, at, isOpen, stalls };
};

t.test('ticks in time keep it open', async (t) => {
  const { fence, at, isOpen, stalls } = createSetup(t);
  for (let ms = 0; ms < 5000; ms += 100) {
    at(ms);
    fence.tick();
    at(ms + 99);
    t.ok(isOpen());
  }
  t.same(stalls, []);
});

t.test('after a stall it is shut until the tick after the late one', async (t) => {
  const { fence, at, isOpen, stalls } = createSetup(t);
  at(100);
  fence.tick();
  at(1000);
  t.equal(isOpen(), false, 'read before the late tick');
  fence.tick();
  t.same(stalls, [800]);
  at(1050);
  t.equal(isOpen(), false, 'read between it and the next');
  at(1100);
  fence.tick();
  t.equal(isOpen(), true);
});

t.test('a hiccup below 750 ms is none', async (t) => {
  const { fence, at, isOpen } = createSetup(t);
  at(849);
  t.equal(isOpen(), true);
  fence.tick();
  t.equal(isOpen(), true);
});

t.test('once closed it stays closed', async (t) => {
  const { fence, isOpen } = createSetup(t);
  fence.close();
  fence.tick();
  t.equal(isOpen(), false);
});
