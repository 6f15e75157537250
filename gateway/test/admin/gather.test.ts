/** Series of all processes side by side, whoever of them answers. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { AppError } from '../../../shared/errors.js';
import { createMetrics, printMetrics } from '../../../shared/metrics.js';
import { createGather } from '../../admin/gather.js';

/** What a process with so many counted things answers with. */
const part = (count: number): Promise<object[]> => {
  const metrics = createMetrics({ defaults: false });
  metrics.counter('things_total', 'Things').inc(count);
  return metrics.json();
};

type Answer = { parts: object[][]; places: number[] };

/** A gather whose primary answers so, over nodes of which one is dead. */
const setUp = (answer: () => Promise<Answer>) => {
  const own = createMetrics({ defaults: false });
  own.counter('things_total', 'Things').inc(100);
  const common = createMetrics({ defaults: false });
  common.gauge('whole', 'Of the whole gateway').set(1);
  const node = (id: string) => ({
    ...{ id, boot_id: 'b', version: '', zone: '', slots: 1, draining: false },
    ...{ via: 'unix' as const, state: 'closed' as const, suspect: false, full: false },
    ...{ weight: 1, inflight: 0, report: { inflight: 0, service_ms: 0 } },
  });
  const nodes = {
    snapshot: () => [node('n1'), node('dead')],
    call: async (id: string) => {
      if (id === 'dead') throw new AppError('no_node');
      return part(50);
    },
  };
  const lifecycle = {
    tell: (message: object) => {
      const id = 'id' in message ? Number(message.id) : 0;
      answer().then((given) => gather.collected({ id, ...given }));
    },
  };
  const gather = createGather({ lifecycle, nodes, own, common, expected: 2 });
  return async () => {
    const text = await printMetrics(await gather.metrics());
    return text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  };
};

const elsewhere = [
  'floodgate_things_total{edge="admin"} 100',
  'floodgate_things_total{node="n1"} 50',
  'floodgate_whole 1',
];
const edges = (answered: number) => [
  `floodgate_edges{state="answered"} ${answered}`,
  'floodgate_edges{state="expected"} 2',
];

t.test('each edge has its series under its place, whichever answers first', async (t) => {
  const scrape = setUp(async () => ({ parts: [await part(7), await part(5)], places: [2, 1] }));
  t.same(
    new Set(await scrape()),
    new Set([
      ...elsewhere,
      ...edges(2),
      'floodgate_things_total{edge="1"} 5',
      'floodgate_things_total{edge="2"} 7',
    ]),
  );
});

t.test('an edge that does not answer takes nothing from the others', async (t) => {
  const scrape = setUp(async () => ({ parts: [await part(7)], places: [2] }));
  t.same(
    new Set(await scrape()),
    new Set([...elsewhere, ...edges(1), 'floodgate_things_total{edge="2"} 7']),
  );
});

t.test('a standstill of this process loses no part that came meanwhile', async (t) => {
  const code = "process.once('message', (m) => setTimeout(() => process.send(m), 200))";
  const primary = spawn(process.execPath, ['-e', code], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    env: {},
  });
  t.teardown(() => primary.kill());
  const answer = async () => {
    const given: Answer = { parts: [await part(7)], places: [1] };
    primary.send(given);
    await once(primary, 'message');
    return given;
  };
  const lines = setUp(answer)();
  // It is told, and nothing else is due: the loop's next round begins with the timers.
  await sleep(50);
  await new Promise((resolve) => setImmediate(resolve));
  for (const end = performance.now() + 2500; performance.now() < end; );
  t.ok((await lines).includes('floodgate_things_total{edge="1"} 7'));
});

t.test('without the primary there are still the others', async (t) => {
  const scrape = setUp(() => new Promise(() => {}));
  t.same(new Set(await scrape()), new Set([...elsewhere, ...edges(0)]));
});
