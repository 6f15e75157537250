import t from 'tap';
import { createMetrics } from '../../../shared/metrics.js';
import { createMeters } from '../../nodes/meters.js';
import type { Node } from '../../nodes/pool.js';

const minute = 60_000;

/** Meters over nodes with these ids, and what is counted of one of them. */
const setUp = () => {
  const metrics = createMetrics({ defaults: false });
  const state = { ids: ['one', 'two'], at: 0 };
  const nodes = () => state.ids.map((id) => ({ id }) as Node);
  const meters = createMeters({ metrics, nodes, now: () => state.at });
  const leave = (id: string) => {
    state.ids = state.ids.filter((other) => other !== id);
    meters.left(id);
  };
  const count = async (node: string, outcome: string) => {
    const series = `node_forwards_total{node="${node}",outcome="${outcome}"} `;
    const [, value] = (await metrics.text()).split(series);
    return value === undefined ? undefined : Number.parseInt(value, 10);
  };
  return { meters, state, leave, count };
};

t.test('how a node ended can be seen for ten minutes after it left', async (t) => {
  const { meters, state, leave, count } = setUp();
  meters.forwarded('one', 'verdict');
  leave('one');
  leave('two');
  meters.forwarded('one', 'died');
  meters.forwarded('two', 'unreached');
  state.at = 10 * minute;
  t.equal(await count('one', 'verdict'), 1);
  t.equal(await count('one', 'died'), 1);
  t.equal(await count('two', 'unreached'), 1, 'also of one that nothing was counted of before');
  state.at++;
  t.equal(await count('one', 'died'), undefined);
  t.equal(await count('two', 'unreached'), undefined);
});

t.test('series of a node that was forgotten stay away, whatever still ends there', async (t) => {
  const { meters, state, leave, count } = setUp();
  meters.forwarded('one', 'verdict');
  leave('one');
  state.at = 11 * minute;
  // Nobody scrapes: that another one leaves is enough.
  leave('two');
  meters.forwarded('one', 'timeout');
  t.equal(await count('one', 'verdict'), undefined);
  t.equal(await count('one', 'timeout'), undefined);
});

t.test('a node that comes back counts on, and stays', async (t) => {
  const { meters, state, leave, count } = setUp();
  meters.forwarded('one', 'verdict');
  leave('one');
  state.at = minute;
  state.ids = ['one'];
  meters.forwarded('one', 'verdict');
  state.at = 60 * minute;
  t.equal(await count('one', 'verdict'), 2);
  leave('one');
  state.at += 10 * minute;
  t.equal(await count('one', 'verdict'), 2, 'ten minutes from when it left last');
});
