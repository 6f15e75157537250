import t from 'tap';
import { findChanges } from '../../nodes/membership.js';

const nodes = (...given: [id: string, boot: string, draining?: boolean][]) =>
  new Map(
    given.map(([id, boot_id, draining = false]) => [id, { entry: { boot_id, draining } }] as const),
  );

t.test('who came, went, was restarted, drains, and drains no more', async (t) => {
  const before = nodes(['a', '1'], ['b', '1'], ['c', '1'], ['d', '1', true], ['e', '1'], ['f', '']);
  const after = nodes(['a', '1'], ['b', '2'], ['c', '1', true], ['d', '1'], ['g', '1'], ['h', '1']);
  t.strictSame(findChanges(before, after), {
    restarted: ['b'],
    draining: ['c'],
    undrained: ['d'],
    joined: ['g', 'h'],
    left: ['e', 'f'],
  });
});

t.test('nothing is said of what stays', async (t) => {
  t.equal(findChanges(nodes(), nodes()), undefined);
  t.equal(findChanges(nodes(['a', '1', true]), nodes(['a', '1', true])), undefined);
  t.strictSame(findChanges(nodes(['a', '1']), nodes()), { left: ['a'] });
});
