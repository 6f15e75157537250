/** A whole run of the nodes bench, tiny: what it measures must be there, its size means nothing. */
import t from 'tap';
import { ensureBuilt } from '../../launch.js';
import { measureNodes, standIn } from '../../nodes-measure.js';

t.test('logins pass the edge to one stand-in node and to two', async (t) => {
  ensureBuilt();
  const results = await measureNodes(
    { nodes: [2, 1, 2], durationSeconds: 0.6, pairs: 2, progress: () => {} },
    { users: 100, warmUpMs: 200, noticedMs: 1000, rampMs: 200 },
  );
  t.strictSame(
    results.map(({ nodes }) => nodes),
    [1, 2],
  );
  for (const { low, full } of results) {
    t.equal(low.length, 2, 'on the way up and on the way down');
    for (const run of [...low, ...full]) {
      t.equal(run.failed, 0);
      t.ok(run.perSecond > 0);
      t.ok(run.edgeUs > 0 && run.edgeUs < 1e6);
      t.ok(run.p50Ms >= standIn.serviceMs, `${run.p50Ms} ms, the timer included`);
    }
  }
});
