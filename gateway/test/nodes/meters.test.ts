import t from 'tap';
import { createMetrics } from '../../../shared/metrics.js';
import { createMeters } from '../../nodes/meters.js';
import type { Node } from '../../nodes/pool.js';

t.test('the series of a node that has left stay away, whatever still ends there', async (t) => {
  const metrics = createMetrics({ defaults: false });
  let nodes: Pick<Node, 'id'>[] = [{ id: 'one' }];
  const meters = createMeters({ metrics, nodes: () => nodes as Node[], now: () => 0 });
  const hasSeries = async () => JSON.stringify(await metrics.json()).includes('"node":"one"');
  meters.forwarded('one', 'verdict');
  nodes = [];
  t.ok(await hasSeries());
  meters.left('one');
  meters.forwarded('one', 'timeout');
  t.notOk(await hasSeries());
});
