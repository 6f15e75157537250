/** Who has lost the store alone, step by step on a clock of the test's own. */
import t from 'tap';
import { createStoreWatch } from '../../nodes/store-watch.js';

const setUp = () => {
  const [a, b, c] = [{}, {}, {}];
  return { a, b, c, watch: createStoreWatch(() => [a, b, c]) };
};

t.test('alone: another has served what was sent to it since', async (t) => {
  const { a, b, watch } = setUp();
  watch.served(b, 90);
  t.equal(watch.isAlone(a, 100), false, 'that was before: the store may be gone for all');
  watch.served(b, 99);
  t.equal(watch.isAlone(a, 110), false, 'sent before, answered after');
  watch.served(b, 101);
  t.equal(watch.isAlone(a, 120), true);
  watch.served(a, 125);
  t.equal(watch.isAlone(a, 130), false, 'a new loss');
});

t.test('lost for all, and back for one first: that proves nothing for a second', async (t) => {
  const { a, b, c, watch } = setUp();
  for (const node of [a, b, c]) t.equal(watch.isAlone(node, 100), false);
  watch.served(b, 200);
  t.equal(watch.isAlone(a, 210), false);
  watch.served(b, 1099);
  t.equal(watch.isAlone(a, 1100), false);
  watch.served(b, 1100);
  t.equal(watch.isAlone(a, 1101), true);
  t.equal(watch.isAlone(c, 1102), true);
});

t.test('what was lost long ago is another outage', async (t) => {
  const { a, b, watch } = setUp();
  t.equal(watch.isAlone(a, 100), false);
  watch.served(b, 50_000);
  t.equal(watch.isAlone(a, 60_000), false);
  watch.served(b, 60_500);
  t.equal(watch.isAlone(a, 61_000), true);
});

t.test('nobody else, nobody to compare with', async (t) => {
  const a = {};
  const watch = createStoreWatch(() => [a]);
  watch.served(a, 1);
  t.equal(watch.isAlone(a, 2), false);
  t.equal(watch.isAlone(a, 5000), false);
});
