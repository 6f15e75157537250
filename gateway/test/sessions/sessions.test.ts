import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { connectRedis, type RedisClient } from '../../../shared/redis.js';
import { whenReady } from '../../../shared/redis-calls.js';
import { startRedis } from '../../../shared/test/redis-server.js';
import type { Rotation, Sessions } from '../../sessions/sessions.js';
import { openClient, outcomeOf, quiet } from '../store.js';
import { newU, openSession, refreshIn, sessionsOn, setUser } from './session-parts.js';

type Options = NonNullable<Parameters<typeof sessionsOn>[1]>;

/** An edge whose sessions end when they are said to. */
const edgeOn = (redis: RedisClient, options: Options = {}) =>
  sessionsOn(redis, { jitter: 0, ...options });

const setup = async (t: Parameters<typeof openClient>[0], options: Options = {}) => {
  const server = await startRedis(t);
  const redis = await openClient(t, server);
  const u = newU();
  await setUser(redis, u, 1);
  return { server, redis, u, sessions: edgeOn(redis, options) };
};

const next = (rotation: Rotation): string => {
  if ('refreshToken' in rotation) return rotation.refreshToken;
  throw new Error(`refused: ${rotation.outcome}`);
};

/** 'rotated', 'repeated', 'reuse', 'ended' or the error code. */
const use = async (sessions: Sessions, token: string): Promise<string> => {
  let outcome = '';
  const code = await outcomeOf(async () => {
    outcome = (await refreshIn(sessions, token)).outcome;
  });
  return code === 'ok' ? outcome : code;
};

t.test('a session: stored, listed, with an end, and nothing in it to replay', async (t) => {
  const { redis, sessions, u } = await setup(t);
  const { sessionId, refreshToken, ended } = await sessions
    .create({
      ...{ u, userId: 'imported "id"', gen: 1, scope: 'a b', clientId: 'c_1' },
      ...{ address: '2001:db8::1', userAgent: 'x'.repeat(1000) },
    })
    .then((created) => (created === 'gen_changed' ? Promise.reject(created) : created));
  t.strictSame(ended, []);
  t.match(sessionId, /^[\w-]{22}\.[\w-]{22}$/);
  t.ok(sessionId.startsWith(`${u}.`));
  t.ok(refreshToken.startsWith(`${sessionId}.0.k001.`));
  const key = `sess:{${u}}:${sessionId.slice(23)}`;
  const stored = await redis.hgetall(key);
  t.match(stored, { user_id: 'imported "id"', scope: 'a b', address: '2001:db8::1', gen: '1' });
  t.equal(stored.user_agent?.length, 256);
  t.match(stored.created_at, /^\d{13}$/);
  t.equal(stored.last_used_at, stored.created_at);
  t.notMatch(JSON.stringify(stored), refreshToken.split('.')[4] ?? '');
  const ttl = await redis.pttl(key);
  t.ok(ttl > 59_000 && ttl <= 60_000);
  t.ok((await redis.pttl(`idx:{${u}}`)) > 590_000);
});

t.test('no session when the account changed since its verdict', async (t) => {
  const { redis, sessions, u } = await setup(t);
  const tryGen = (gen: number, who = u) =>
    sessions.create({
      ...{ u: who, userId: 'x', gen, scope: '', clientId: 'c', address: '', userAgent: '' },
    });
  t.equal(await tryGen(0), 'gen_changed');
  t.equal(await tryGen(2), 'gen_changed');
  t.equal(await tryGen(1, newU()), 'gen_changed', 'unknown account');
  await setUser(redis, u, 1, { status: 'disabled' });
  t.equal(await tryGen(1), 'gen_changed');
  t.strictSame(await redis.keys('sess:*'), []);
});

t.test('at most 100 sessions per user: the longest unused goes', async (t) => {
  const { redis, sessions, u } = await setup(t);
  const all = [];
  for (let i = 0; i < 100; i++) all.push(await openSession(sessions, u));
  t.ok(all.every(({ ended }) => ended.length === 0));
  await sleep(2);
  await refreshIn(sessions, all[0]?.refreshToken ?? '');
  const extra = await openSession(sessions, u);
  const gone = extra.ended[0] ?? '';
  t.strictSame(extra.ended.length, 1);
  t.not(gone, all[0]?.sessionId, 'the first was used again');
  t.ok(all.some(({ sessionId }) => sessionId === gone));
  t.equal((await redis.keys('sess:*')).length, 100);
  t.equal(await redis.zcard(`idx:{${u}}`), 100);
});

t.test('sessions that ran out make room before living ones must go', async (t) => {
  const { redis, sessions, u } = await setup(t, { perUser: 3, idleMs: 100 });
  for (let i = 0; i < 3; i++) await openSession(sessions, u);
  await sleep(120);
  const kept = await openSession(sessions, u);
  t.strictSame(kept.ended, []);
  t.equal(await redis.zcard(`idx:{${u}}`), 1);
});

t.test('the index lives as long as the session that lives longest', async (t) => {
  const { redis, sessions, u } = await setup(t, { jitter: 0.5, perUser: 2 });
  for (let i = 0; i < 20; i++) {
    await openSession(sessions, u);
    const ttl = await redis.pttl(`idx:{${u}}`);
    t.ok(ttl > 590_000, 'whatever the last one is to live');
  }
  // Used 45 s ago, of 60 that it may: others may only 30.
  const [id = ''] = await redis.zrange(`idx:{${u}}`, '0', '0');
  const score = Number(await redis.zscore(`idx:{${u}}`, id)) - 45_000;
  await redis.zadd(`idx:{${u}}`, String(score), id);
  const { ended } = await openSession(sessions, u);
  t.ok(ended.includes(`${u}.${id}`), 'it is ended, not forgotten');
  await openSession(sessionsOn(redis, { maxMs: 60_000 }), u);
  t.ok((await redis.pttl(`idx:{${u}}`)) > 500_000, 'also when new ones are given less');
});

t.test('tokens that we did not issue', async (t) => {
  const { server, sessions, u } = await setup(t);
  const { refreshToken, sessionId } = await openSession(sessions, u);
  const [a, b, , keyId, mac = ''] = refreshToken.split('.');
  const other = await openSession(sessions, u);
  const cases = {
    empty: '',
    'an access token': 'a.b.c',
    'another generation': [a, b, 1, keyId, mac].join('.'),
    'another spelling of the generation': [a, b, '00', keyId, mac].join('.'),
    'MAC of another session': [a, b, 0, keyId, other.refreshToken.split('.')[4]].join('.'),
    'another key': [a, b, 0, 'k002', mac].join('.'),
    'longer MAC': `${refreshToken}=`,
    newline: `${refreshToken}\n`,
    'one part more': `${refreshToken}.x`,
    'the session id': sessionId,
    'key injection': refreshToken.replace(a ?? '', '{x}:*'.padEnd(22, 'x')),
    huge: `${refreshToken}${'x'.repeat(100_000)}`,
  };
  for (const [name, token] of Object.entries(cases))
    t.equal(await use(sessions, token), 'token_invalid', name);
  t.equal(await use(sessions, refreshToken), 'rotated', 'and none of that ended the family');
  await server.stop('SIGKILL');
  t.equal(await use(sessions, ''), 'token_invalid', 'the store is not asked');
  t.equal(await use(sessions, refreshToken), 'store_unavailable');
});

t.test('a refresh hands over everything a new access token needs', async (t) => {
  const { sessions, u } = await setup(t);
  const { sessionId, refreshToken } = await openSession(sessions, u);
  const rotation = await refreshIn(sessions, refreshToken);
  t.match(rotation, {
    ...{ outcome: 'rotated', u, userId: `u_${u}`, sessionId, gen: 1 },
    ...{ scope: 'account', clientId: 'c_1' },
  });
  t.ok(next(rotation).startsWith(`${sessionId}.1.`));
});

t.test('50 families, 50 parallel refreshes each over two edges: one successor', async (t) => {
  const { server, redis, u } = await setup(t);
  const edges = [edgeOn(redis), edgeOn(await openClient(t, server))] as const;
  for (let family = 0; family < 50; family++) {
    const { refreshToken } = await openSession(edges[0], u);
    const rotations = await Promise.all(
      Array.from({ length: 50 }, (_, i) => refreshIn(edges[i % 2 ? 1 : 0], refreshToken)),
    );
    const outcomes = rotations.map(({ outcome }) => outcome);
    if (
      new Set(rotations.map(next)).size !== 1 ||
      outcomes.filter((outcome) => outcome === 'rotated').length !== 1
    )
      t.fail(`family ${family} forked`);
    t.equal(
      await use(edges[1], next(rotations[0] ?? { outcome: 'ended', u, sessionId: '' })),
      'rotated',
    );
  }
});

t.test('a repeat inside the grace is the same successor; after it the family dies', async (t) => {
  const { redis, sessions, u } = await setup(t, { graceMs: 200 });
  const { sessionId, refreshToken } = await openSession(sessions, u);
  const first = next(await refreshIn(sessions, refreshToken));
  const again = await refreshIn(sessions, refreshToken);
  t.equal(again.outcome, 'repeated');
  t.equal(next(again), first);
  await sleep(220);
  t.strictSame(await refreshIn(sessions, refreshToken), { outcome: 'reuse', u, sessionId });
  t.equal(await use(sessions, first), 'ended', 'the successor too: somebody must sign in again');
  t.equal(await use(sessions, refreshToken), 'ended');
  t.strictSame(await redis.keys('sess:*'), []);
  t.equal(await redis.zcard(`idx:{${u}}`), 0);
});

t.test('a token two back kills the family, grace or not', async (t) => {
  const { sessions, u } = await setup(t);
  const { refreshToken } = await openSession(sessions, u);
  const second = next(await refreshIn(sessions, refreshToken));
  const third = next(await refreshIn(sessions, second));
  t.equal(await use(sessions, second), 'repeated');
  t.equal(await use(sessions, refreshToken), 'reuse');
  t.equal(await use(sessions, third), 'ended');
});

t.test('thief and owner, in either order: both end dead', async (t) => {
  const { sessions, u } = await setup(t, { graceMs: 50 });
  for (const isThiefFirst of [true, false]) {
    const { refreshToken } = await openSession(sessions, u);
    const one = next(await refreshIn(sessions, refreshToken));
    await sleep(60);
    t.equal(await use(sessions, refreshToken), 'reuse', `thief first: ${isThiefFirst}`);
    t.equal(await use(sessions, one), 'ended');
  }
});

t.test('no grace: a repeat is reuse', async (t) => {
  const { sessions, u } = await setup(t, { graceMs: 0 });
  const { refreshToken } = await openSession(sessions, u);
  t.equal(await use(sessions, refreshToken), 'rotated');
  t.equal(await use(sessions, refreshToken), 'reuse');
});

t.test(
  'the store killed between script and answer: the retry gets the same successor',
  async (t) => {
    const { server, sessions, u } = await setup(t);
    const { refreshToken } = await openSession(sessions, u);
    const first = next(await refreshIn(sessions, refreshToken));
    await sleep(1100);
    await server.stop('SIGKILL');
    t.equal(await use(sessions, refreshToken), 'store_unavailable');
    await server.start();
    const late = edgeOn(await openClient(t, server));
    t.equal(next(await refreshIn(late, refreshToken)), first);
  },
);

t.test('a store that forgot the last rotation still takes the token we issued', async (t) => {
  const { redis, sessions, u } = await setup(t);
  const { sessionId, refreshToken } = await openSession(sessions, u);
  const second = next(await refreshIn(sessions, refreshToken));
  const third = next(await refreshIn(sessions, second));
  await redis.hset(`sess:{${u}}:${sessionId.slice(23)}`, 'generation', 1);
  t.ok(next(await refreshIn(sessions, third)).startsWith(`${sessionId}.3.`));
  t.equal(await use(sessions, second), 'reuse');
});

t.test('idle and absolute end', async (t) => {
  const { redis, server, u } = await setup(t);
  const sessions = edgeOn(redis, { idleMs: 600, maxMs: 1600 });
  const idle = await openSession(sessions, u);
  let { refreshToken } = await openSession(sessions, u);
  for (let i = 0; i < 3; i++) {
    await sleep(400);
    refreshToken = next(await refreshIn(sessions, refreshToken));
  }
  t.equal(await use(sessions, idle.refreshToken), 'ended');
  await sleep(440);
  t.equal(await use(sessions, refreshToken), 'ended', 'use does not move the absolute end');
  t.strictSame(await redis.keys('*'), [`user:{${u}}`], 'nothing stays');

  const long = await openSession(edgeOn(redis), u);
  await sleep(60);
  const strict = edgeOn(await openClient(t, server), { idleMs: 50 });
  t.equal(await use(strict, long.refreshToken), 'ended', 'a shorter limit counts at once');
});

t.test('the stored size of a family is constant', async (t) => {
  const { redis, sessions, u } = await setup(t);
  let { sessionId, refreshToken } = await openSession(sessions, u);
  const key = `sess:{${u}}:${sessionId.slice(23)}`;
  for (let i = 0; i < 10; i++) refreshToken = next(await refreshIn(sessions, refreshToken));
  const fields = await redis.hlen(key);
  const bytes = Number(await redis.memory('USAGE', key));
  for (let i = 0; i < 1500; i++) refreshToken = next(await refreshIn(sessions, refreshToken));
  t.equal(await redis.hlen(key), fields);
  t.ok(Number(await redis.memory('USAGE', key)) <= bytes + 64);
  t.equal(await redis.zcard(`idx:{${u}}`), 1);
});

t.test('an ended session stays ended, and ending is repeatable', async (t) => {
  const { redis, sessions, u } = await setup(t);
  const { sessionId, refreshToken } = await openSession(sessions, u);
  const other = await openSession(sessions, u);
  for (let i = 0; i < 2; i++) await sessions.end(sessionId);
  t.strictSame(await refreshIn(sessions, refreshToken), { outcome: 'ended', u, sessionId });
  t.equal(await use(sessions, other.refreshToken), 'rotated');
  t.equal(await redis.zcard(`idx:{${u}}`), 1);
});

t.test('sign-out racing a refresh: the family is dead afterwards', async (t) => {
  const { server, redis, u } = await setup(t);
  const one = edgeOn(redis);
  const two = edgeOn(await openClient(t, server));
  for (let i = 0; i < 200; i++) {
    const { sessionId, refreshToken } = await openSession(one, u);
    const [rotation] = await Promise.all([refreshIn(two, refreshToken), one.end(sessionId)]);
    const last = 'refreshToken' in rotation ? rotation.refreshToken : refreshToken;
    if ((await use(two, last)) !== 'ended') t.fail(`round ${i}`);
  }
  t.strictSame(await redis.keys('sess:*'), []);
});

t.test('a password change: this session goes on, everything older is dead', async (t) => {
  const { redis, sessions, u } = await setup(t);
  const { sessionId, refreshToken } = await openSession(sessions, u);
  const current = next(await refreshIn(sessions, refreshToken));
  const other = await openSession(sessions, u);
  await setUser(redis, u, 2);
  t.equal(await use(sessions, current), 'session_ended', 'refused already before the rebase');
  const fresh = await sessions.rebase({ sessionId, gen: 2 });
  t.equal(await sessions.rebase({ sessionId, gen: 2 }), fresh, 'a repeat changes nothing');
  for (const old of [refreshToken, current])
    t.equal(await use(sessions, old), 'session_ended', 'but does not end the new tokens');
  t.equal(await use(sessions, other.refreshToken), 'ended');
  const login = await openSession(sessions, u, { gen: 2 });
  t.equal(await sessions.rebase({ sessionId, gen: 2 }), fresh);
  const rotation = await refreshIn(sessions, fresh);
  t.match(rotation, { outcome: 'rotated', gen: 2, sessionId });
  t.equal(await use(sessions, login.refreshToken), 'rotated', 'a login after the change stays');
  t.equal(await redis.zcard(`idx:{${u}}`), 2);
});

t.test('a rebase is refused when it is not the last word', async (t) => {
  const { redis, sessions, u } = await setup(t);
  const { sessionId, refreshToken } = await openSession(sessions, u);
  const rebase = (gen: number, id = sessionId) =>
    outcomeOf(() => sessions.rebase({ sessionId: id, gen }));
  t.equal(await rebase(2), 'session_ended', 'the change is not there yet');
  await setUser(redis, u, 3);
  t.equal(await rebase(2), 'session_ended', 'another change came after');
  await setUser(redis, u, 3, { status: 'disabled' });
  t.equal(await rebase(3), 'session_ended');
  await setUser(redis, u, 3);
  t.equal(await rebase(3, `${u}.${'x'.repeat(22)}`), 'session_ended');
  t.equal(await rebase(3), 'ok');
  await setUser(redis, u, 3, { status: 'disabled' });
  t.equal(await use(sessions, refreshToken), 'session_ended');
});

t.test('a password change racing refreshes, repeats and a login', async (t) => {
  const { server, redis } = await setup(t);
  const one = edgeOn(redis);
  const two = edgeOn(await openClient(t, server));
  const wrong: string[] = [];
  for (let i = 0; i < 200; i++) {
    const u = newU();
    await setUser(redis, u, 1);
    const { sessionId, refreshToken } = await openSession(one, u);
    const before: string[] = [];
    const collect = async (call: () => Promise<string>) => {
      await outcomeOf(async () => before.push(await call()));
    };
    const refreshing = collect(async () => next(await refreshIn(two, refreshToken)));
    const signingIn = collect(async () => (await openSession(two, u)).refreshToken);
    await setUser(redis, u, 2);
    const [fresh] = await Promise.all([
      one.rebase({ sessionId, gen: 2 }),
      collect(async () => next(await refreshIn(two, refreshToken))),
      refreshing,
      signingIn,
    ]);
    for (const token of [refreshToken, ...before])
      if (!['session_ended', 'ended'].includes(await use(two, token)))
        wrong.push(`${i}: an old token works`);
    if ((await use(two, fresh)) !== 'rotated') wrong.push(`${i}: the new one does not`);
  }
  t.strictSame(wrong, []);
});

t.test('forgotten scripts are no trouble', async (t) => {
  const { redis, sessions, u } = await setup(t);
  const { sessionId, refreshToken } = await openSession(sessions, u);
  await refreshIn(sessions, refreshToken);
  await redis.script('FLUSH');
  await openSession(sessions, u);
  await redis.script('FLUSH');
  t.equal(await use(sessions, refreshToken), 'repeated');
  await redis.script('FLUSH');
  await sessions.end(sessionId);
});

t.test(
  'a clock that went backwards gives no session more time, and no grace for ever',
  async (t) => {
    const { redis, sessions, u } = await setup(t);
    const hour = 3_600_000;
    const ahead = async (sessionId: string) => {
      const key = `sess:{${u}}:${sessionId.slice(23)}`;
      for (const field of ['last_used_at', 'rotated_at', 'ends_at'])
        await redis.hincrby(key, field, hour);
      return key;
    };
    const { sessionId, refreshToken } = await openSession(sessions, u);
    const second = next(await refreshIn(sessions, refreshToken));
    const key = await ahead(sessionId);
    const before = Number(await redis.hget(key, 'last_used_at'));
    const third = next(await refreshIn(sessions, second));
    t.equal(Number(await redis.hget(key, 'last_used_at')), before, 'use does not move it back');
    t.ok((await redis.pttl(key)) <= 60_000);
    t.equal(await use(sessions, second), 'repeated', 'a repeat by the new clock is one');
    t.equal(await use(sessions, refreshToken), 'reuse', 'the order is that of the generations');
    t.equal(await use(sessions, third), 'ended');

    const other = await openSession(sessions, u);
    await refreshIn(sessions, other.refreshToken);
    await ahead(other.sessionId);
    t.equal(await use(sessions, other.refreshToken), 'reuse', 'a grace in the future is over');
  },
);

t.test(
  'limits are spread, never beyond what was promised, and constant for a session',
  async (t) => {
    const { redis, u } = await setup(t);
    const sessions = edgeOn(redis, { jitter: 0.05, perUser: 1000 });
    const ttls: number[] = [];
    const ends: number[] = [];
    for (let i = 0; i < 60; i++) {
      const { sessionId, refreshToken } = await openSession(sessions, u);
      const key = `sess:{${u}}:${sessionId.slice(23)}`;
      const first = await redis.pttl(key);
      await refreshIn(sessions, refreshToken);
      const second = await redis.pttl(key);
      t.ok(Math.abs(first - second) < 500, 'the same after a refresh');
      const [created, end] = await redis.hmget(key, 'created_at', 'ends_at');
      ttls.push(first);
      ends.push(Number(end) - Number(created));
    }
    t.ok(Math.max(...ttls) <= 60_000 && Math.min(...ttls) > 56_000);
    t.ok(Math.max(...ends) <= 600_000 && Math.min(...ends) >= 570_000);
    t.ok(new Set(ends).size > 40);
    t.ok(Math.max(...ends) - Math.min(...ends) > 15_000);
  },
);

t.test('sessions that had to go are told again until somebody has told everybody', async (t) => {
  const { server, redis, sessions, u } = await setup(t, { perUser: 1 });
  const one = await openSession(sessions, u);
  await sleep(2);
  const two = await openSession(sessions, u);
  await sleep(2);
  t.strictSame(two.ended, [one.sessionId]);
  const late = edgeOn(await openClient(t, server), { perUser: 1 });
  const three = await openSession(late, u);
  t.strictSame([...three.ended].sort(), [one.sessionId, two.sessionId].sort(), 'also elsewhere');
  await late.confirmEnded(three.ended);
  await sleep(2);
  t.strictSame((await openSession(sessions, u)).ended, [three.sessionId]);
  const ttl = await redis.pttl(`idx:{${u}}:gone`);
  t.ok(ttl > 900_000 && ttl <= 960_000, 'as long as an access token may live');
  await late.confirmEnded([]);
});

t.test('a refresh that came too late, as the store stood still, did not happen', async (t) => {
  const { server, u } = await setup(t);
  const redis = connectRedis({ url: server.url, name: 'test', log: quiet });
  t.teardown(() => redis.disconnect());
  await whenReady(redis, 2000);
  const graceMs = 100;
  const sessions = edgeOn(redis, { graceMs });
  const { refreshToken } = await openSession(sessions, u);
  const token = next(await refreshIn(sessions, refreshToken));
  process.kill(server.pid(), 'SIGSTOP');
  t.equal(await use(sessions, token), 'store_unavailable');
  await sleep(100);
  process.kill(server.pid(), 'SIGCONT');
  await sleep(2 * graceMs);
  const after = await refreshIn(sessions, token);
  t.equal(after.outcome, 'rotated');

  process.kill(server.pid(), 'SIGSTOP');
  const rotation = use(sessions, next(after));
  await new Promise((resolve) => setImmediate(resolve));
  for (const end = performance.now() + 600; performance.now() < end; );
  process.kill(server.pid(), 'SIGCONT');
  t.equal(await rotation, 'rotated', 'when we stood still as well, it is sent once more');
});

t.test("a step of the store's clock costs no refresh", async (t) => {
  const { redis, u } = await setup(t);
  let skipped = 0;
  let everyCall = 0;
  // Ours goes back, as if the store's had gone forward.
  const now = () => {
    skipped -= everyCall;
    return performance.now() + skipped;
  };
  const sessions = edgeOn(redis, { now });
  let { refreshToken } = await openSession(sessions, u);
  for (const step of [0, -5000, 0, 60_000, -60_000, -1000]) {
    skipped += step;
    const rotation = await refreshIn(sessions, refreshToken);
    t.equal(rotation.outcome, 'rotated', `by ${-step} ms`);
    refreshToken = next(rotation);
  }
  everyCall = 1000;
  t.equal(await use(sessions, refreshToken), 'store_unavailable', 'a clock that cannot be known');
  everyCall = 0;
  t.equal(await use(sessions, refreshToken), 'rotated', 'nothing was done');
});

t.test('no critical sessions without a second store', async (t) => {
  const { redis, sessions, u } = await setup(t);
  const client = { clientId: 'c', address: '', userAgent: '' };
  const wish = { u, userId: 'x', gen: 1, scope: '', ...client, critical: true };
  t.equal(await outcomeOf(() => sessions.create(wish)), 'critical_unavailable');
  t.strictSame(await redis.keys('sess:*'), []);
});
