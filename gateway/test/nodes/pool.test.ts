import t from 'tap';
import { createPool } from '../../nodes/pool.js';
import { createRank } from '../../nodes/rank.js';

const memberOf = (id: string, boot_id = `boot of ${id}`) => ({
  entry: { id, boot_id, endpoints: [], slots: 2, version: '', zone: '', draining: false },
  place: { kind: 'unix', path: '/nowhere' } as const,
});

/** Two nodes; the breaker of the first is open, then it leaves. */
const setUp = () => {
  let clock = 0;
  const pool = createPool({ rank: createRank('s'), secret: 's', now: () => clock });
  pool.sync([memberOf('n1'), memberOf('n2')]);
  const breaker = () => pool.find('n1')?.breaker;
  for (let i = 0; i < 5; i++) breaker()?.failed(0);
  const wasOpen = breaker()?.isOpen();
  pool.sync([memberOf('n2')]);
  const comeBack = (afterMs: number, bootId?: string) => {
    clock += afterMs;
    pool.sync([memberOf('n1', bootId), memberOf('n2')]);
    return breaker();
  };
  return { wasOpen, comeBack };
};

t.test('a boot that comes back soon is known: its breaker is as it was', async (t) => {
  const { wasOpen, comeBack } = setUp();
  t.equal(wasOpen, true);
  t.equal(comeBack(60_000)?.isOpen(), true);
});

t.test('after a minute, or as a new process, it is another one, in slow start', async (t) => {
  for (const [afterMs, bootId] of [
    [60_001, undefined],
    [1000, 'another'],
  ] as const) {
    const breaker = setUp().comeBack(afterMs, bootId);
    t.equal(breaker?.isOpen(), false);
    t.equal(breaker?.isRamping(afterMs), true);
  }
});
