import t from 'tap';
import { createTurns } from '../../tokens/turns.js';
import { outcomeOf } from '../store.js';

const nextTurn = () => new Promise<void>((resolve) => setImmediate(resolve));

t.test('a few at once, the others in order in later turns, nobody slips in between', async (t) => {
  const turns = createTurns({ perTurn: 2, maxWaiting: 10 });
  t.strictSame([turns.tryNow(), turns.tryNow(), turns.tryNow()], [true, true, false]);
  const done: number[] = [];
  const waits = [0, 1, 2, 3, 4].map((n) => turns.wait().then(() => done.push(n)));
  t.equal(turns.tryNow(), false);
  await nextTurn();
  t.strictSame(done, [0, 1]);
  t.equal(turns.tryNow(), false, 'others were here before');
  await nextTurn();
  t.strictSame(done, [0, 1, 2, 3]);
  await Promise.all(waits);
  t.strictSame(done, [0, 1, 2, 3, 4]);
  await nextTurn();
  await nextTurn();
  t.strictSame([turns.tryNow(), turns.tryNow(), turns.tryNow()], [true, true, false]);
});

t.test('who would wait behind too many is refused', async (t) => {
  const turns = createTurns({ perTurn: 1, maxWaiting: 3 });
  turns.tryNow();
  const waits = [turns.wait(), turns.wait(), turns.wait()];
  t.equal(await outcomeOf(() => turns.wait()), 'temporarily_unavailable');
  await Promise.all(waits);
  t.equal(await outcomeOf(() => turns.wait()), 'ok');
});
