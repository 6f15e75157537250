import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { connectRedis } from '../../../shared/redis.js';
import { startRedis, type TestRedis } from '../../../shared/test/redis-server.js';
import { findGap } from '../../tokens/revocation-reader.js';
import { createRevocations, type Revocation } from '../../tokens/revocations.js';
import { openClient, outcomeOf, quiet, until } from '../store.js';

type Test = Parameters<typeof openClient>[0];

const claims = (id: string, gen = 1) => ({ sid: id, u: id, gen, jti: id, kid: id });
const session = (id: string): Revocation => ({ kind: 'session', id });

/** One edge: its clients, its log and the number of gaps it saw. */
const openEdge = async (
  t: Test,
  server: TestRedis,
  options: { staleMs?: number; now?: () => number } = {},
) => {
  const redis = await openClient(t, server);
  const { url } = server;
  const connect = () => connectRedis({ url, name: 'log', log: quiet, blocking: true });
  const log = createRevocations({ redis, connect, log: quiet, ...options });
  let gaps = 0;
  log.onGap(() => gaps++);
  t.teardown(log.close);
  return { redis, ...log, gaps: () => gaps, saw: (id: string) => log.check(claims(id)) };
};

t.test('every kind of entry ends what it names on every edge, and nothing else', async (t) => {
  const server = await startRedis(t);
  const one = await openEdge(t, server);
  const two = await openEdge(t, server);
  t.equal(one.check(claims('x')), 'unknown', 'nothing is known before the first reading');
  await Promise.all([one.ready(), two.ready()]);
  t.equal(one.check(claims('x')), 'ok');

  const none = { sid: '-', u: '-', gen: 5, jti: '-', kid: '-' };
  await one.publish({ kind: 'session', id: 's1' });
  await one.publish({ kind: 'jti', id: 'j1' });
  await one.publish({ kind: 'key', id: 'k1' });
  await one.publish({ kind: 'user', id: 'u1', gen: 5 });
  t.equal(one.check({ ...none, sid: 's1' }), 'ended', 'at once where it was published');
  t.ok(await until(() => two.check({ ...none, u: 'u1', gen: 4 }) === 'ended', 1000));
  for (const edge of [one, two]) {
    t.equal(edge.check({ ...none, sid: 's1' }), 'ended');
    t.equal(edge.check({ ...none, jti: 'j1' }), 'ended');
    t.equal(edge.check({ ...none, kid: 'k1' }), 'ended');
    t.equal(edge.check({ ...none, u: 'u1', gen: 4 }), 'ended');
    t.equal(edge.check({ ...none, u: 'u1', gen: 5 }), 'ok', 'the new gen lives');
    t.equal(edge.check({ ...none, sid: 'j1', jti: 's1' }), 'ok', 'kinds are not mixed up');
  }
  await two.publish({ kind: 'user', id: 'u1', gen: 3 });
  t.equal(two.check({ ...none, u: 'u1', gen: 4 }), 'ended', 'an older gen takes nothing back');
  t.equal(two.gaps(), 1, 'the start only');
});

t.test('an edge that starts later knows what was published before', async (t) => {
  const server = await startRedis(t);
  const one = await openEdge(t, server);
  await one.ready();
  // More than the reader takes in one batch.
  for (let from = 0; from < 1300; from += 100)
    await Promise.all(Array.from({ length: 100 }, (_, i) => one.publish(session(`s${from + i}`))));
  const two = await openEdge(t, server);
  await two.ready();
  t.equal(two.stats().entries, 1300);
  t.equal(two.saw('s0'), 'ended');
  t.equal(two.saw('s1299'), 'ended');
});

t.test('what the log holds is not written again, unless a gap makes that doubtful', async (t) => {
  const server = await startRedis(t);
  const edge = await openEdge(t, server);
  await edge.ready();
  for (let i = 0; i < 20; i++) await edge.publish(session('s'));
  t.equal(await edge.redis.xlen('revocations'), 1);
  for (const gen of [2, 3, 3, 2]) await edge.publish({ kind: 'user', id: 'u', gen });
  t.equal(await edge.redis.xlen('revocations'), 3);
  await edge.redis.flushall();
  t.ok(await until(() => edge.gaps() === 2));
  await edge.publish(session('s'));
  t.equal(await edge.redis.xlen('revocations'), 1);
});

t.test('the stream keeps 16 minutes and then itself ends', async (t) => {
  const server = await startRedis(t);
  const edge = await openEdge(t, server);
  await edge.ready();
  const past = Date.now() - 17 * 60_000;
  const multi = edge.redis.multi();
  for (let i = 0; i < 500; i++)
    multi.xadd('revocations', `${past}-${i + 1}`, 'kind', 'session', 'id', `old${i}`);
  await multi.exec();
  await edge.publish(session('new'));
  t.ok((await edge.redis.xlen('revocations')) <= 101, 'whole nodes of the stream go');
  const ttl = await edge.redis.pttl('revocations');
  t.ok(ttl > 900_000 && ttl <= 960_000);
});

t.test('entries leave memory when every token they concern is dead', async (t) => {
  const server = await startRedis(t);
  let skipped = 0;
  const edge = await openEdge(t, server, { now: () => performance.now() + skipped });
  const other = await openEdge(t, server);
  await Promise.all([edge.ready(), other.ready()]);
  await other.publish(session('s'));
  await other.publish({ kind: 'user', id: 'u', gen: 2 });
  t.ok(await until(() => edge.stats().entries === 2, 1000));
  skipped = 15 * 60_000;
  await sleep(300);
  t.equal(edge.stats().entries, 2);
  skipped = 17 * 60_000;
  t.ok(await until(() => edge.stats().entries === 0, 1000));
});

t.test('a cut connection loses nothing', async (t) => {
  const server = await startRedis(t);
  const one = await openEdge(t, server);
  const two = await openEdge(t, server);
  await Promise.all([one.ready(), two.ready()]);
  for (let round = 0; round < 5; round++) {
    const published = one.publish(session(`r${round}`));
    const list = String(await two.redis.client('LIST'));
    for (const line of list.split('\n').filter((each) => each.includes('floodgate-log')))
      await two.redis.client('KILL', 'ID', /id=(\d+)/.exec(line)?.[1] ?? '0');
    await outcomeOf(() => published);
    await one.publish(session(`after${round}`));
    t.ok(await until(() => two.saw(`after${round}`) === 'ended', 2000));
    t.equal(two.saw(`r${round}`), 'ended');
  }
  t.ok(two.gaps() > 1);
  t.equal(two.saw('other'), 'ok');
});

t.test('a restart of Redis: refusals stay, publishing fails meanwhile', async (t) => {
  const server = await startRedis(t);
  const edge = await openEdge(t, server);
  await edge.ready();
  await edge.publish(session('s'));
  await server.stop('SIGKILL');
  t.equal(await outcomeOf(() => edge.publish(session('s2'))), 'store_unavailable');
  t.equal(edge.saw('s'), 'ended');
  t.equal(edge.saw('s2'), 'ok', 'what was not acknowledged is not in force');
  await server.start();
  t.ok(await until(() => edge.gaps() === 2));
  t.ok(await until(async () => (await outcomeOf(() => edge.publish(session('s2')))) === 'ok'));
  const late = await openEdge(t, server);
  await late.ready();
  t.equal(late.saw('s'), 'ended', 'it was durable');
  t.equal(late.saw('s2'), 'ended');
});

t.test('the log lost: answers for staleMs, then unknown; ended stays ended', async (t) => {
  const server = await startRedis(t);
  const patient = await openEdge(t, server, { staleMs: 1500 });
  const strict = await openEdge(t, server, { staleMs: 1000 });
  await Promise.all([patient.ready(), strict.ready()]);
  await patient.publish(session('s'));
  t.ok(await until(() => strict.saw('s') === 'ended', 1000));
  await server.stop('SIGKILL');
  t.equal(strict.saw('x'), 'ok', 'a moment without the store is not felt');
  t.ok(await until(() => strict.saw('x') === 'unknown', 1200));
  t.equal(patient.saw('x'), 'ok');
  t.ok(await until(() => patient.saw('x') === 'unknown', 1000));
  t.equal(strict.saw('s'), 'ended');
  await server.start();
  t.ok(await until(() => strict.saw('x') === 'ok' && patient.saw('x') === 'ok', 2000));
});

t.test('a store that hangs is left within the watchdog, and found again', async (t) => {
  const server = await startRedis(t);
  const edge = await openEdge(t, server, { staleMs: 1000 });
  await edge.ready();
  process.kill(server.pid(), 'SIGSTOP');
  t.equal(await outcomeOf(() => edge.publish(session('s'))), 'store_unavailable');
  t.ok(await until(() => edge.saw('x') === 'unknown', 1500));
  await sleep(500);
  process.kill(server.pid(), 'SIGCONT');
  t.ok(await until(() => edge.saw('x') === 'ok', 3000));
  t.ok(edge.gaps() >= 2, 'read again from the beginning');
});

t.test(
  'a standstill of this process loses no connection, and so reads nothing again',
  async (t) => {
    const server = await startRedis(t);
    const edge = await openEdge(t, server);
    await edge.ready();
    const ids = async () => String(await edge.redis.client('LIST')).match(/^id=\d+/gm);
    const before = await ids();
    for (let i = 0; i < 2; i++) {
      await sleep(300);
      // After what is due now, so that the loop's next round begins with the timers.
      await new Promise((resolve) => setImmediate(resolve));
      for (const end = performance.now() + 1500; performance.now() < end; );
    }
    await edge.publish(session('s'));
    t.same(await ids(), before);
    t.equal(edge.gaps(), 1, 'the start only');
  },
);

t.test('a stream that vanishes or goes backwards is read again', async (t) => {
  const server = await startRedis(t);
  const edge = await openEdge(t, server);
  const other = await openEdge(t, server);
  await Promise.all([edge.ready(), other.ready()]);
  /** What another edge has published is known here once it was read from the stream. */
  const read = async (id: string) => {
    await other.publish(session(id));
    t.ok(await until(() => edge.saw(id) === 'ended'), id);
    return edge.gaps();
  };

  let gaps = await read('first');
  await edge.redis.flushall();
  t.ok(await until(() => edge.gaps() > gaps), 'vanished');
  t.equal(edge.saw('first'), 'ended', 'what was known stays known');

  gaps = await read('second');
  await edge.redis
    .multi()
    .del('revocations')
    .xadd('revocations', '5-1', 'kind', 'jti', 'id', 'low')
    .exec();
  t.ok(await until(() => edge.gaps() > gaps), 'backwards');
  t.ok(await until(() => edge.saw('low') === 'ended'), 'entries of the other stream count');
});

t.test('a gap is seen at the ends of the stream', async (t) => {
  const ends = (...ids: string[]) => ids.map((id): [string, string[]] => [id, []]);
  const cases: [string, string[], string[], boolean][] = [
    ['0-0', [], [], false],
    ['0-0', ['7-1'], ['9-1'], false],
    ['7-1', ['7-1'], ['7-1'], false],
    ['7-1', ['5-3'], ['9-1'], false],
    ['9-1', ['5-3'], ['9-1'], false],
    ['7-1', [], [], true],
    ['7-1', ['7-2'], ['7-2'], true],
    ['7-1', ['8-0'], ['9-1'], true],
    ['10-0', ['5-3'], ['9-1'], true],
    ['9-18446744073709551615', ['5-3'], ['9-18446744073709551614'], true],
    ['9-18446744073709551614', ['5-3'], ['9-18446744073709551615'], false],
  ];
  for (const [position, first, last, isGap] of cases)
    t.equal(
      findGap(position, ends(...first), ends(...last)) !== undefined,
      isGap,
      `${position} in ${first} to ${last}`,
    );
});

t.test('an entry of a later version is passed over', async (t) => {
  const server = await startRedis(t);
  const edge = await openEdge(t, server);
  await edge.ready();
  await edge.redis.xadd('revocations', '*', 'kind', 'galaxy', 'id', 'x');
  await edge.redis.xadd('revocations', '*', 'kind', 'user', 'id', 'x', 'gen', 'many');
  await edge.redis.xadd('revocations', '*', 'odd', '');
  await edge.redis.script('FLUSH');
  await edge.publish(session('s'));
  t.equal(edge.saw('x'), 'ok');
  t.equal(edge.stats().entries, 1);
});

t.test('closing does not wait for a store that hangs', async (t) => {
  const server = await startRedis(t);
  const edge = await openEdge(t, server);
  await edge.ready();
  process.kill(server.pid(), 'SIGSTOP');
  const from = performance.now();
  await edge.close();
  t.ok(performance.now() - from < 500);
});
