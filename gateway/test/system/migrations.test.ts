/**
 * Migration is exact: the short form of `npm run migrations`. Nodes die and hang, lock servers hang and
 * restart, locks vanish, and passwords change at the same moment.
 */
import t from 'tap';
import { closedLoop } from './migration-load.js';
import { startRig } from './migration-rig.js';
import { runStorm } from './migration-storm.js';

// The machine may be slow; a hang is found by the bounds inside the tests.
t.setTimeout(300_000);

t.test('every user is migrated exactly once, whatever dies meanwhile', async (t) => {
  const rig = await startRig(t, { nodes: 2, edges: 1, users: 60, isPostgres: false });
  const { client } = rig;
  const { logins, lockedOut, found, ...rest } = await runStorm(t, rig, {
    load: (crowd, isOver) => closedLoop({ client, crowd, clients: 3, pauseMs: 80 }, isOver),
    racersEvery: 9,
    pauses: { nodesMs: 500, locksMs: 300, hangMs: 1500 },
    stormMs: 2000,
    calmMs: 120_000,
    judges: 3,
  });
  t.comment({ logins: logins.length, ...rest.faults, ...rest.counts });
  t.same(lockedOut, [], 'nobody is locked out');
  t.same(found, [], 'one write each, the passwords of today work and no former one');
  t.ok(rest.faults.kills > 0 && rest.faults.lockHangs > 0, 'and something did fail');
});
