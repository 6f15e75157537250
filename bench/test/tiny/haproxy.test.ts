/** The stand of the haproxy bench, without its measuring: every way leads to a verdict. */
import t from 'tap';
import { findHaproxy, missing } from '../../haproxy-process.js';
import { hotGroup, openRig } from '../../haproxy-rig.js';
import { ways } from '../../haproxy-ways.js';
import { ensureBuilt } from '../../launch.js';

const skip = findHaproxy() === undefined ? missing : false;

t.test('every way serves, also when one of three nodes has died', { skip }, async (t) => {
  ensureBuilt();
  const rig = await openRig(() => {}, 30);
  t.teardown(rig.fleet.stop);
  const serve = async (mix: Record<string, number>) => {
    const phases = [{ perSecond: 15, durationMs: 700 }];
    for (const way of ways) {
      const { samples } = await rig.loads[way].run({ phases, mix });
      const served = samples.filter(({ status }) => status === 200);
      // A busy machine may cost one or the other.
      t.ok(served.length > samples.length / 2, `${way}: ${served.length} of ${samples.length}`);
    }
  };
  await serve({ all: 0.8, [hotGroup(0)]: 0.2 });
  const [victim] = rig.fleet.nodes.all();
  t.ok(victim);
  if (victim !== undefined) await rig.fleet.nodes.kill(victim);
  await serve({ all: 1 });
});
