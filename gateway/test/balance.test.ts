import t, { type Test } from 'tap';
import { createBalance } from '../balance.js';

/** How many answers in a row are the last ones of their connections. */
const countLast = (balance: ReturnType<typeof createBalance>): number => {
  let count = 0;
  while (balance.isLast()) count++;
  return count;
};

/** `rows`: connections of this edge, the mean of all, and how many it gives away then. */
const givesAway = (
  t: Test,
  rows: readonly (readonly [count: number, mean: number, last: number])[],
  most?: number,
) => {
  let own = 0;
  const balance = createBalance(() => own, most);
  t.equal(countLast(balance), 0, 'nothing is known yet');
  for (const [count, mean, last] of rows) {
    own = count;
    t.equal(balance.heard(0), count, 'what the primary will know');
    balance.heard(mean);
    t.equal(countLast(balance), last, `${count} of ${mean}`);
    t.equal(countLast(balance), 0, 'once');
  }
  return balance;
};

t.test('an edge with clearly more than its share gives a quarter of the rest away', async (t) => {
  const balance = givesAway(t, [
    [0, 0, 0],
    [1, 0.25, 0],
    [100, 100, 0],
    [126, 100, 0],
    [127, 100, 1],
    [8, 2, 2],
    [3, 2, 0],
    [226, 100, 25],
  ]);
  balance.heard(226);
  balance.heard(100);
  balance.heard(226);
  t.equal(countLast(balance), 0, 'the last word counts');
});

t.test('one that is nearly full gives away whatever is over its share', async (t) => {
  givesAway(
    t,
    [
      [120, 100, 0],
      [121, 100, 5],
      [150, 125, 6],
      [150, 150, 0],
    ],
    150,
  );
});

t.test('the mean is held against what it was made of', async (t) => {
  let own = 0;
  const balance = createBalance(() => own);
  balance.heard(0);
  own = 50;
  balance.heard(0);
  t.equal(countLast(balance), 0, 'the only edge, when a crowd has come since');
});
