/** What a process exports, and one text made of what many do. */
import t from 'tap';
import { createMetrics, printMetrics } from '../metrics.js';

const linesOf = (text: string, name: string): string[] =>
  text.split('\n').filter((line) => line.startsWith(`floodgate_${name}`));

/** As parts travel: over IPC or HTTP. */
const travelled = (part: object[]): object[] => JSON.parse(JSON.stringify(part));

t.test('a process shows how late its timers are, and no lag that says nothing', async (t) => {
  const metrics = createMetrics();
  const text = await metrics.text();
  t.match(text, /^floodgate_process_cpu_seconds_total /m);
  t.match(text, /^floodgate_loop_late_seconds \d/m);
  t.match(text, /^# TYPE floodgate_loop_late_seconds gauge$/m);
  t.notMatch(text, /eventloop_lag/);
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 400);
  const [line = ''] = linesOf(await metrics.text(), 'loop_late_seconds');
  t.ok(Number(line.split(' ')[1]) >= 0.25, line);
  t.notMatch(await createMetrics({ defaults: false }).text(), /loop_late/);
});

t.test('one text of many parts has each metric once, and adds nothing up', async (t) => {
  const part = (edge: string, count: number) => {
    const metrics = createMetrics({ defaults: false });
    metrics.counter('things_total', 'Things', ['edge']).inc({ edge }, count);
    metrics.computed('waits', 'Waits', 'histogram', () => [
      { labels: { edge, le: '+Inf' }, value: count, metricName: 'waits_bucket' },
      { labels: { edge }, value: count, metricName: 'waits_count' },
    ]);
    return metrics.json().then(travelled);
  };
  const text = await printMetrics([await part('1', 3), [], await part('2', 4)]);
  t.equal(text.match(/^# (HELP|TYPE) floodgate_things_total /gm)?.length, 2);
  t.strictSame(linesOf(text, 'things_total'), [
    'floodgate_things_total{edge="1"} 3',
    'floodgate_things_total{edge="2"} 4',
  ]);
  t.strictSame(linesOf(text, 'waits'), [
    'floodgate_waits_bucket{edge="1",le="+Inf"} 3',
    'floodgate_waits_count{edge="1"} 3',
    'floodgate_waits_bucket{edge="2",le="+Inf"} 4',
    'floodgate_waits_count{edge="2"} 4',
  ]);
});

t.test('what is no metric, and rows without a number, spoil no scrape', async (t) => {
  const age = createMetrics({ defaults: false });
  age.gauge('age_seconds', 'Age', ['of']).set({ of: 'nothing' }, Number.NaN);
  const odd: object[] = [{}, { name: 'x' }, { name: 'x', help: '', type: 'gauge', values: 7 }];
  const good = createMetrics({ defaults: false });
  good.gauge('age_seconds', 'Age', ['of']).set({ of: 'me' }, 1.5);
  const text = await printMetrics([travelled(await age.json()), odd, await good.json()]);
  t.strictSame(linesOf(text, 'age'), ['floodgate_age_seconds{of="me"} 1.5']);
  t.notMatch(text, /null/);
});
