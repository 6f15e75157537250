/** What must never be taken for a process of ours. */
import t from 'tap';
import { launchChild } from '../children.mjs';
import { identify, isAlive, isGroupAlive, killGroup } from '../processes.mjs';

t.test('a process that was never started has no group, whatever has the number 0', async (t) => {
  const nobody = identify(0);
  t.equal(isAlive(nobody), false);
  t.equal(isGroupAlive(nobody), false);
  killGroup(nobody); // or this test would end here, with all of its group
});

t.test('what cannot be started is said, not kept', async (t) => {
  const { execPath } = process;
  process.execPath = '/there/is/no/node';
  t.teardown(() => {
    process.execPath = execPath;
  });
  await t.rejects(
    launchChild({ script: 'main.js', env: {} }),
    /cannot be started: spawn .* ENOENT/,
  );
});
