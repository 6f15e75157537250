import t from 'tap';
import { createBalance } from '../balance.js';

/** How many answers in a row are the last ones of their connections. */
const countLast = (balance: ReturnType<typeof createBalance>): number => {
  let count = 0;
  while (balance.isLast()) count++;
  return count;
};

t.test('an edge with clearly more than its share gives a quarter of the rest away', async (t) => {
  const balance = createBalance();
  t.equal(countLast(balance), 0, 'nothing is known yet');
  for (const [own, mean, last] of [
    [0, 0, 0],
    [1, 0.25, 0],
    [100, 100, 0],
    [126, 100, 0],
    [127, 100, 1],
    [226, 100, 25],
    [8, 2, 2],
    [3, 2, 0],
  ] as const) {
    balance.heard(own, mean);
    t.equal(countLast(balance), last, `${own} of ${mean}`);
    t.equal(countLast(balance), 0, 'once');
  }
  balance.heard(226, 100);
  balance.heard(100, 100);
  t.equal(countLast(balance), 0, 'the last word counts');
});
