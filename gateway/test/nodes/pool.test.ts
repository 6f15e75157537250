import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import type { Answer } from '../../nodes/forward.js';
import { createPool } from '../../nodes/pool.js';
import { createRank } from '../../nodes/rank.js';
import { reply, startNode } from './fake-node.js';

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

t.test('what is on its way to a node that leaves is answered, whoever has sent it', async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'fg-pool-'));
  t.teardown(() => rmSync(dir, { recursive: true, force: true }));
  const path = join(dir, 'node.sock');
  await startNode(t, {
    path,
    handler: async (res) => {
      await sleep(100);
      reply(res, 200, {});
    },
  });
  const pool = createPool({ rank: createRank('s'), secret: 's', now: () => 0 });
  t.teardown(pool.close);
  pool.sync([{ ...memberOf('n1'), place: { kind: 'unix', path } }]);
  const line = pool.find('n1')?.forward;
  const request = { method: 'POST', path: '/x', headers: { host: 'node' }, body: '{}' };
  const answers = (['send', 'sendAside'] as const).map(
    (way) =>
      new Promise<Answer>((resolve) => {
        line?.[way]({ ...request, timeoutMs: 1000 }, resolve);
      }),
  );
  await sleep(20);
  pool.sync([]);
  for (const answer of await Promise.all(answers)) t.match(answer, { kind: 'answered' });
});
