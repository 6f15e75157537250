import t from 'tap';
import { createDriver } from '../driver.js';

t.test('events come by time, then by who came first', async (t) => {
  const driver = createDriver();
  const seen: string[] = [];
  for (const [ms, name] of [
    [30, 'c'],
    [10, 'a'],
    [30, 'd'],
    [20, 'b'],
  ] as const)
    driver.after(ms, () => seen.push(`${name} ${driver.now()}`));
  await driver.run(25);
  t.strictSame(seen, ['a 10', 'b 20']);
  t.equal(driver.now(), 25);
  await driver.run(100);
  t.strictSame(seen.slice(2), ['c 30', 'd 30']);
  t.equal(driver.now(), 100);
});

t.test('what an event settles runs before the clock moves on', async (t) => {
  const driver = createDriver();
  const seen: number[] = [];
  const wait = (ms: number) => new Promise<void>((resolve) => void driver.after(ms, resolve));
  const walk = async () => {
    for (let i = 0; i < 3; i++) {
      await wait(10);
      await Promise.resolve();
      await new Promise<void>((resolve) => process.nextTick(resolve));
      seen.push(driver.now());
    }
  };
  void walk();
  driver.every(1, () => {});
  await driver.run(40);
  t.strictSame(seen, [10, 20, 30]);
});

t.test('a cancelled event does not happen, a thrown error ends the run', async (t) => {
  const driver = createDriver();
  driver.after(5, () => t.fail('was cancelled'))();
  const stop = driver.every(2, () => {
    if (driver.now() >= 6) stop();
  });
  await driver.run(20);
  t.equal(driver.now(), 20);
  driver.after(1, () => {
    throw new Error('broken');
  });
  await t.rejects(driver.run(30), { message: 'broken' });
});
