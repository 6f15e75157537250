/** A whole run of the login bench, tiny: what it measures must be there, its size means nothing. */
import t from 'tap';
import { ensureBuilt } from '../../launch.js';
import { measureLogins } from '../../login-measure.js';

t.setTimeout(120_000);

t.test('logins of one node and of two beside the loop of the hash threads', async (t) => {
  ensureBuilt();
  const results = await measureLogins(
    { nodes: [1, 2], durationSeconds: 1, pairs: 2, progress: () => {} },
    { users: 100, warmUpMs: { edges: 500, nodes: 500 } },
  );
  t.strictSame(
    results.map(({ nodes }) => nodes),
    [1, 2],
  );
  for (const { perSecond, failed, shared, isolated } of results) {
    t.ok(perSecond > 0);
    t.equal(failed, 0);
    for (const { comparison, cpuMs, loopCpuMs } of [shared, isolated]) {
      t.ok(comparison.ratio.median > 0);
      t.ok(cpuMs.edges > 0 && loopCpuMs > 0);
    }
  }
});
