/**
 * The long migration programme (`npm run migrations`, some minutes; the short form is
 * migrations.test.ts): 10,000 users of another system, four nodes, three lock servers, logins at 80 %
 * of what the nodes can do, measured just before. First the lock servers lose their majority, five
 * times, and logins must not feel it; then everything fails at once, until every user is migrated.
 * Prints what was seen. Arguments: `--postgres` keeps the records there, a number is that many users.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import {
  type Crowd,
  closedLoop,
  createCrowd,
  isServed,
  type Login,
  openLoop,
} from './migration-load.js';
import { writesOf } from './migration-records.js';
import { type Rig, startRig } from './migration-rig.js';
import { runStorm } from './migration-storm.js';

const given = process.argv.slice(2);
const isPostgres = given.includes('--postgres');
const users = Number(given.find((text) => /^\d+$/.test(text)) ?? 10_000);
const rounds = 5;
const sliceMs = 3000;
const resumeBoundMs = 5000;
const toleratedMs = 100;
/** What one slice of three seconds differs from another at 80 % load. */
const toleratedPercent = 2;
/** Who has the lock when the majority goes may still hash and write. */
const lockedMs = 2500;

/** Of those that were served. */
const percentile = (logins: readonly Login[], p: number): number => {
  const times = logins
    .filter(isServed)
    .map(({ ms }) => ms)
    .sort((a, b) => a - b);
  return times[Math.floor(times.length * p)] ?? 0;
};
const percentLost = (logins: readonly Login[]): number =>
  (100 * logins.filter((login) => !isServed(login)).length) / logins.length;
const show = (logins: readonly Login[]): string => {
  const [p50, p99] = [0.5, 0.99].map((p) => percentile(logins, p).toFixed(0));
  const lost = percentLost(logins).toFixed(1);
  return `${logins.length} logins, ${lost} % not served, p50 ${p50} ms, p99 ${p99} ms`;
};

/** Logins per second of all nodes, with users who are migrated by now. */
const measureCapacity = async ({ client, users: all }: Rig): Promise<number> => {
  const crowd = createCrowd(all.slice(0, 400), new Map());
  const measure = async (ms: number) => {
    const end = performance.now() + ms;
    const isOver = () => performance.now() > end;
    const logins = await closedLoop({ client, crowd, clients: 8, pauseMs: 0 }, isOver);
    return (logins.filter(isServed).length * 1000) / ms;
  };
  await measure(12_000);
  return measure(8000);
};

const migrated = async ({ readRecords }: Rig): Promise<number> => {
  let count = 0;
  for (const record of (await readRecords()).values()) if (writesOf(record) > 0) count++;
  return count;
};

/** Milliseconds until one more user is migrated. */
const untilMigration = async (rig: Rig): Promise<number> => {
  const startedAt = performance.now();
  const before = await migrated(rig);
  while ((await migrated(rig)) === before && performance.now() - startedAt < 4 * resumeBoundMs)
    await sleep(50);
  return performance.now() - startedAt;
};

/** Slices with and without a majority of lock servers, by turns, under one load. */
const loseMajority = async (rig: Rig, crowd: Crowd, rate: number) => {
  const { client, locks } = rig;
  let isOver = false;
  const running = openLoop({ client, crowd, rate: () => rate }, () => isOver);
  const spans: { isHealthy: boolean; from: number; to: number }[] = [];
  const span = async (isHealthy: boolean) => {
    const from = performance.now();
    await sleep(sliceMs);
    spans.push({ isHealthy, from, to: performance.now() });
  };
  const signal = (name: NodeJS.Signals) => {
    for (const server of locks.slice(0, 2)) process.kill(server.pid(), name);
  };
  const resumedMs: number[] = [];
  let whileLost = 0;
  for (let i = 0; i < rounds; i++) {
    await span(true);
    signal('SIGSTOP');
    await sleep(lockedMs);
    const before = await migrated(rig);
    await span(false);
    whileLost += (await migrated(rig)) - before;
    signal('SIGCONT');
    resumedMs.push(await untilMigration(rig));
  }
  isOver = true;
  const logins = await running;
  const during = (isHealthy: boolean) =>
    logins.filter(({ at }) =>
      spans.some((s) => s.isHealthy === isHealthy && at >= s.from && at <= s.to),
    );
  return { healthy: during(true), lost: during(false), whileLost, resumedMs };
};

t.setTimeout(1_800_000);

t.test(`${users} legacy users`, async (t) => {
  const rig = await startRig(t, { nodes: 4, edges: 1, users, isPostgres });
  const { client } = rig;
  const capacity = await measureCapacity(rig);
  const rate = 0.8 * capacity;
  t.comment(`capacity ${capacity.toFixed(0)} logins/s; load ${rate.toFixed(0)}/s, open loop`);

  await t.test('lock servers without a majority, five times', async (t) => {
    const crowd = createCrowd(rig.users, new Map());
    const { healthy, lost, whileLost, resumedMs } = await loseMajority(rig, crowd, rate);
    t.comment(`healthy: ${show(healthy)}`);
    t.comment(`no majority: ${show(lost)}, ${whileLost} migrated`);
    t.comment(`the next migration after ${resumedMs.map((ms) => ms.toFixed(0)).join(', ')} ms`);
    const more = percentile(lost, 0.99) - percentile(healthy, 0.99);
    t.ok(more <= toleratedMs, `logins do not feel it: p99 ${more.toFixed(0)} ms more`);
    const moreLost = percentLost(lost) - percentLost(healthy);
    t.ok(moreLost <= toleratedPercent, `${moreLost.toFixed(1)} % more were not served`);
    t.equal(whileLost, 0, 'nobody is migrated without the lock');
    t.ok(Math.max(...resumedMs) <= resumeBoundMs, 'migrations go on within 5 s');
  });

  await t.test('everything fails, and it is exactly once', async (t) => {
    const { logins, lockedOut, found, faults, counts } = await runStorm(t, rig, {
      // Half of it in the calm: a machine that is slower than when it was measured has no room.
      load: (crowd, isOver, isCalm) =>
        openLoop({ client, crowd, rate: () => (isCalm() ? rate / 2 : rate) }, isOver),
      racersEvery: 20,
      pauses: { nodesMs: 4000, locksMs: 2000, hangMs: 5000 },
      stormMs: 600_000,
      calmMs: 300_000,
      judges: 8,
      say: (text) => t.comment(text),
    });
    t.comment(`in the storm: ${show(logins)}`);
    t.comment(faults);
    t.comment(counts);
    t.same(lockedOut, [], 'nobody is locked out');
    t.same(found.slice(0, 20), [], 'one write each, the passwords of today work, no former one');
  });
});
