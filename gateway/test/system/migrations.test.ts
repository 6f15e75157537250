/**
 * Migration is exact: the short form of `npm run migrations`. Two nodes that die and hang, three lock
 * servers that hang and restart, locks that vanish, and passwords that change at the same moment.
 */
import t from 'tap';
import { startRedis, type TestRedis } from '../../../shared/test/redis-server.js';
import { startFleet } from './fleet.js';
import { createClient, createUsers, importUsers } from './legacy-users.js';
import { startFaults } from './migration-faults.js';
import {
  type Changed,
  closedLoop,
  createCrowd,
  raceChange,
  settleChanges,
} from './migration-load.js';
import { openRecords } from './migration-records.js';
import { judgePasswords, judgeRecords } from './migration-verdict.js';

// The machine may be slow; a hang is found by the bounds inside the tests.
t.setTimeout(300_000);

t.test('every user is migrated exactly once, whatever dies meanwhile', async (t) => {
  const locks: TestRedis[] = [];
  for (let i = 0; i < 3; i++) locks.push(await startRedis(t));
  const fleet = await startFleet(t, {
    nodes: 2,
    edges: 1,
    env: {
      TRUSTED_PROXIES: '127.0.0.1',
      LOCK_REDIS_URLS: locks.map(({ url }) => url).join(),
      LOG_LEVEL: 'warn',
    },
  });
  const client = createClient(fleet.port);
  t.teardown(client.close);
  const users = createUsers(150);
  await importUsers(fleet, users);
  const readRecords = await openRecords(t, fleet.redis.url);

  const changed: Changed = new Map();
  const crowd = createCrowd(users, changed);
  const faults: string[] = [];
  const faultsOfMachines = startFaults(t, fleet, locks, { nodesMs: 700, locksMs: 400 });
  let isOver = false;
  const racers = users.filter(({ at }) => at % 8 === 0);
  for (const user of racers) crowd.reserve(user);
  t.teardown(() => {
    isOver = true;
  });
  const running = closedLoop({ client, crowd, clients: 3, pauseMs: 30 }, () => isOver);
  const racing = (async () => {
    for (const user of racers) faults.push(...(await raceChange(client, user, changed)));
  })();
  const t0 = performance.now();
  const say = (what: string) =>
    t.comment(what, Math.round(performance.now() - t0), crowd.pending(), changed.size);
  const end = performance.now() + 3500;
  while (performance.now() < end) {
    crowd.refresh(await readRecords());
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
  say('end');
  await faultsOfMachines.stop();
  say('faults over');
  await racing;
  say('racing over');
  await settleChanges(client, changed);
  say('settled');
  for (const user of racers) crowd.release(user);
  const settled = performance.now() + 120_000;
  while (crowd.pending() > 0 && performance.now() < settled) {
    await new Promise((resolve) => setTimeout(resolve, 250));
    crowd.refresh(await readRecords());
  }
  isOver = true;
  say('all migrated');
  t.comment(
    (await fleet.metrics()).split('\n').filter((l) => /migrations_total|admission_total/.test(l)),
  );
  const logins = await running;
  t.same(
    logins.filter(({ status }) => status === 401),
    [],
    'nobody is locked out',
  );
  const st: Record<number, number> = {};
  for (const { status } of logins) st[status] = (st[status] ?? 0) + 1;
  t.comment(st);
  const { faults: inRecords, counts } = judgeRecords(users, await readRecords(), changed);
  t.comment({ logins: logins.length, ...faultsOfMachines.counts, ...counts });
  t.same(inRecords, []);
  faults.push(...(await judgePasswords({ client, users, changed }, 3)));
  t.same(faults, []);
  const again = judgeRecords(users, await readRecords(), changed);
  t.same(again, { faults: [], counts }, 'and nothing is written twice');
});
