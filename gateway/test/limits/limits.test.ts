import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { isAppError } from '../../../shared/errors.js';
import type { RedisClient } from '../../../shared/redis.js';
import { startRedis } from '../../../shared/test/redis-server.js';
import { createLimits } from '../../limits/limits.js';
import { openClient, outcomeOf } from '../store.js';

type Wanted = Partial<Parameters<ReturnType<typeof createLimits>['reserve']>[0]>;

const newId = () => randomBytes(16).toString('base64url');

/** An edge that asks for `wanted`, with a new account and attempt each time unless it says which. */
const edgeOn = (redis: RedisClient) => {
  let now = 0;
  const limits = createLimits({ redis, now: () => now });
  const full = (wanted: Wanted) => ({
    u: newId(),
    client: undefined,
    network: undefined,
    kind: 'login' as const,
    attemptId: newId(),
    ...wanted,
  });
  const reserve = (wanted: Wanted = {}) => limits.reserve(full(wanted));
  const check = (wanted: Wanted) => limits.check(full(wanted));
  const failed = async (wanted: Wanted) => (await reserve(wanted)).fail();
  const passed = async (wanted: Wanted) => (await reserve(wanted)).release();
  /** Until what this edge remembers has to be asked for anew. */
  const forget = () => {
    now += 5000;
  };
  return { reserve, check, failed, passed, forget };
};

const waitOf = async (call: () => Promise<unknown>): Promise<number> => {
  try {
    await call();
    return 0;
  } catch (error) {
    return isAppError(error) && error.code === 'too_many_attempts'
      ? (error.retryAfterMs ?? -1)
      : -1;
  }
};

const times = async (count: number, call: () => Promise<unknown>) => {
  for (let i = 0; i < count; i++) await call();
};

/** Makes the members of a sorted set run out now. */
const expire = async (redis: RedisClient, key: string) => {
  const members = await redis.zrange(key, 0, '-1');
  for (const member of members) await redis.zadd(key, '1', member);
};

t.test('who has proven something has guesses of their own', async (t) => {
  const redis = await openClient(t, await startRedis(t));
  const edge = edgeOn(redis);
  const u = newId();
  await times(10, () => edge.failed({ u }));
  t.ok((await waitOf(() => edge.reserve({ u }))) > 0, 'strangers have used theirs up');
  for (const proven of ['device:one', 'session:one', 'reset']) {
    t.equal(await outcomeOf(() => edge.passed({ u, proven })), 'ok');
    await times(10, () => edge.failed({ u, proven }));
    t.ok((await waitOf(() => edge.reserve({ u, proven }))) > 0, `as many with ${proven}`);
  }
  t.equal(await outcomeOf(() => edge.passed({ u, proven: 'device:two' })), 'ok');
});

t.test('an account: ten failures in 15 minutes over all edges, not one more', async (t) => {
  const server = await startRedis(t);
  const redis = await openClient(t, server);
  const edges = [edgeOn(redis), edgeOn(await openClient(t, server))] as const;
  const u = newId();
  for (let i = 0; i < 9; i++) await edges[i % 2 ? 1 : 0].failed({ u });
  await edges[0].passed({ u });
  await edges[1].failed({ u });
  for (const edge of edges) {
    const wait = await waitOf(() => edge.reserve({ u }));
    t.ok(wait > 14 * 60_000 && wait <= 15 * 60_000, 'until the first failure runs out');
  }
  t.equal(await outcomeOf(() => edges[0].reserve()), 'ok', 'others are not touched');
  t.equal(await redis.zcard(`lim:{${u}}`), 10);
  await expire(redis, `lim:{${u}}`);
  edges[0].forget();
  t.equal(await outcomeOf(() => edges[0].passed({ u })), 'ok', 'and then it may again');
});

t.test('attempts under way count as failures until they are known', async (t) => {
  const server = await startRedis(t);
  const redis = await openClient(t, server);
  const edges = [edgeOn(redis), edgeOn(await openClient(t, server))] as const;
  const u = newId();
  const outcomes = await Promise.all(
    Array.from({ length: 40 }, (_, i) => outcomeOf(() => edges[i % 2 ? 1 : 0].reserve({ u }))),
  );
  t.equal(outcomes.filter((outcome) => outcome === 'ok').length, 10);
  const wait = await waitOf(() => edges[0].reserve({ u }));
  t.ok(wait > 0 && wait <= 5000, 'an edge that dies blocks nobody for longer than a lease');
  await sleep(wait + 5);
  t.equal(await outcomeOf(() => edges[1].reserve({ u })), 'ok', 'the lease ran out');
});

t.test('released leases cost nothing; one attempt counts once', async (t) => {
  const redis = await openClient(t, await startRedis(t));
  const edge = edgeOn(redis);
  const u = newId();
  await times(55, () => edge.passed({ u }));
  t.equal(await redis.exists(`lim:{${u}}`), 0);

  const attemptId = newId();
  const reservation = await edge.reserve({ u, attemptId });
  await reservation.fail();
  await reservation.release();
  await reservation.fail();
  t.equal(await redis.zcard(`lim:{${u}}`), 1, 'a release afterwards takes no failure back');
  const ttl = await redis.pttl(`lim:{${u}}`);
  t.ok(ttl > 899_000 && ttl <= 900_000);
});

t.test('a refused password change counts as two guesses', async (t) => {
  const redis = await openClient(t, await startRedis(t));
  const edge = edgeOn(redis);
  const u = newId();
  await times(5, async () => (await edge.reserve({ u, kind: 'password' })).fail());
  t.equal(await redis.zcard(`lim:{${u}}`), 10);
  t.ok((await waitOf(() => edge.reserve({ u }))) > 0, 'also for logins');
});

t.test('an account: 60 attempts a minute, right ones included', async (t) => {
  const redis = await openClient(t, await startRedis(t));
  const edge = edgeOn(redis);
  const u = newId();
  await times(59, () => edge.passed({ u }));
  await edge.passed({ u, kind: 'password' });
  const wait = await waitOf(() => edge.reserve({ u }));
  t.ok(wait > 50_000 && wait <= 60_000);
  t.equal(await outcomeOf(() => edge.passed({ u, kind: 'register' })), 'ok', 'not registrations');
  await redis.pexpire(`lim:{${u}}:n`, 1);
  await sleep(5);
  edge.forget();
  t.equal(await outcomeOf(() => edge.passed({ u })), 'ok');
});

t.test('an address: 20 failures a minute; its network: 100', async (t) => {
  const redis = await openClient(t, await startRedis(t));
  const edge = edgeOn(redis);
  const network = 'c0a801';
  for (let host = 0; host < 5; host++) {
    const client = `${network}0${host}`;
    for (let i = 0; i < 20; i++) {
      const reservation = await edge.reserve({ client, network });
      if ([0, 10, 11, 19].includes(i)) t.equal(reservation.suspect, i > 10, `after ${i} failures`);
      await reservation.fail();
    }
    const wait = await waitOf(() => edge.reserve({ client, network }));
    t.ok(wait > 50_000 && wait <= 60_000);
  }
  const fresh = { client: `${network}99`, network };
  t.ok((await waitOf(() => edge.reserve(fresh))) > 50_000, 'the network is full');
  t.equal(await outcomeOf(() => edge.reserve({ client: 'c0a80201', network: 'c0a802' })), 'ok');
  await expire(redis, `lim:{net:${network}}:f`);
  edge.forget();
  t.equal(await outcomeOf(() => edge.reserve(fresh)), 'ok');
  t.ok((await waitOf(() => edge.reserve({ client: `${network}00`, network }))) > 0);
});

t.test('an address: 200 attempts at once; its network: 1,000', async (t) => {
  const redis = await openClient(t, await startRedis(t));
  const edge = edgeOn(redis);
  const network = '20010db80000';
  const held = [];
  for (let host = 0; host < 5; host++) {
    const client = `${network}000${host}`;
    const all = await Promise.all(
      Array.from({ length: 200 }, () => edge.reserve({ client, network })),
    );
    const wait = await waitOf(() => edge.reserve({ client, network }));
    t.ok(wait > 0 && wait <= 5000);
    held.push(...all);
  }
  const fresh = { client: `${network}9999`, network };
  t.ok((await waitOf(() => edge.reserve(fresh))) > 0, 'the network is full');
  await held[0]?.release();
  t.equal(await outcomeOf(() => edge.passed(fresh)), 'ok');
  t.equal(await outcomeOf(() => edge.passed({ client: `${network}0000`, network })), 'ok');
  t.ok((await waitOf(() => edge.reserve({ client: `${network}0001`, network }))) > 0);
  await Promise.all(held.map((each) => each.release()));
  t.equal((await redis.keys('lim:{net:*')).length, 0);
});

t.test('registrations: 10 an hour per address, 100 per network, never given back', async (t) => {
  const redis = await openClient(t, await startRedis(t));
  const edge = edgeOn(redis);
  const network = 'c0a801';
  for (let host = 0; host < 10; host++) {
    const wanted = { kind: 'register', client: `${network}0${host}`, network } as const;
    await times(10, () => edge.passed(wanted));
    const wait = await waitOf(() => edge.reserve(wanted));
    t.ok(wait > 59 * 60_000 && wait <= 3_600_000);
  }
  const fresh = { client: `${network}99`, network };
  t.ok((await waitOf(() => edge.reserve({ ...fresh, kind: 'register' }))) > 59 * 60_000);
  t.equal(await outcomeOf(() => edge.reserve(fresh)), 'ok', 'logins go on');
});

t.test('a name that is taken is a failure of the address, not of the account', async (t) => {
  const redis = await openClient(t, await startRedis(t));
  const edge = edgeOn(redis);
  const u = newId();
  await edge.failed({ u, kind: 'register', client: '01020304', network: '010203' });
  t.equal(await redis.exists(`lim:{${u}}`), 0);
  t.equal(await redis.zcard('lim:{net:010203}:f:01020304'), 1);
});

t.test('over one limit: the other half is as if nothing had happened', async (t) => {
  const redis = await openClient(t, await startRedis(t));
  const edge = edgeOn(redis);
  const at = { client: '01020304', network: '010203' };
  const u = newId();
  await times(10, () => edge.failed({ u }));
  t.equal(await outcomeOf(() => edge.reserve({ u, ...at })), 'too_many_attempts');
  const register = { u, ...at, kind: 'register' } as const;
  t.equal(await outcomeOf(() => edge.reserve(register)), 'too_many_attempts');
  t.equal(await redis.exists('lim:{net:010203}:l', 'lim:{net:010203}:l:01020304'), 0);
  t.equal(await redis.get('lim:{net:010203}:r'), '0');
  t.ok((await redis.pttl('lim:{net:010203}:r')) > 0);

  await times(20, () => edge.failed(at));
  const victim = newId();
  await times(100, async () => {
    t.equal(await outcomeOf(() => edge.reserve({ u: victim, ...at })), 'too_many_attempts');
    edge.forget();
  });
  t.equal(await redis.exists(`lim:{${victim}}`), 0);
  t.equal(await outcomeOf(() => edge.passed({ u: victim })), 'ok', 'the owner is not kept out');
});

t.test('who is over a limit is told so by the edge itself, for five seconds', async (t) => {
  const server = await startRedis(t);
  const redis = await openClient(t, server);
  const edge = edgeOn(redis);
  const at = { client: '01020304', network: '010203' };
  const [guessed, busy, leased] = [newId(), newId(), newId()];
  await times(10, () => edge.failed({ u: guessed }));
  await times(60, () => edge.passed({ u: busy }));
  await times(10, () => edge.reserve({ u: leased }));
  await times(20, () => edge.failed(at));
  const over: Wanted[] = [{ u: guessed }, { u: busy }, at];
  const registration = { ...at, kind: 'register' } as const;
  for (const wanted of [...over, registration, { u: leased }])
    t.equal(await outcomeOf(() => edge.reserve(wanted)), 'too_many_attempts');
  await server.stop('SIGKILL');

  for (const wanted of [...over, registration]) {
    t.ok((await waitOf(() => edge.reserve(wanted))) > 5000, 'how long they have to wait is known');
    t.throws(() => edge.check(wanted), { code: 'too_many_attempts' });
  }
  for (const wanted of [
    { u: leased },
    { u: guessed, proven: 'device:one' },
    { u: busy, kind: 'register' } as const,
    { client: '01020305', network: '010203' },
  ]) {
    t.equal(await outcomeOf(() => edge.reserve(wanted)), 'store_unavailable', 'nothing is known');
    t.doesNotThrow(() => edge.check(wanted));
  }
  edge.forget();
  for (const wanted of over)
    t.equal(await outcomeOf(() => edge.reserve(wanted)), 'store_unavailable', 'asked anew');
});

t.test('an edge knows of a network, too, whatever address in it asks', async (t) => {
  const server = await startRedis(t);
  const redis = await openClient(t, server);
  const edge = edgeOn(redis);
  const network = '20010db80000';
  const at = (host: number) => ({ client: `${network}${String(host).padStart(4, '0')}`, network });
  for (let host = 0; host < 5; host++) await times(20, () => edge.failed(at(host)));
  const many = { network: '20010db80001', kind: 'register' } as const;
  for (let host = 0; host < 10; host++)
    await times(10, () => edge.passed({ ...many, client: `20010db80001000${host}` }));
  const [fresh, ofMany] = [at(99), { ...many, client: '20010db800010099' }];
  for (const wanted of [fresh, ofMany])
    t.equal(await outcomeOf(() => edge.reserve(wanted)), 'too_many_attempts');
  const one = { client: '01020304', network: '010203' };
  await times(20, () => edge.failed(one));
  t.equal(await outcomeOf(() => edge.reserve(one)), 'too_many_attempts');
  await server.stop('SIGKILL');
  const outcome = (wanted: Wanted) => outcomeOf(() => edge.reserve(wanted));
  t.equal(await outcome(at(100)), 'too_many_attempts');
  t.equal(await outcome({ ...ofMany, client: '20010db800010100' }), 'too_many_attempts');
  t.equal(await outcome({ ...ofMany, kind: 'login' }), 'store_unavailable', 'logins go on');
  t.equal(await outcome({ ...one, client: '01020305' }), 'store_unavailable', 'only its address');
});

t.test('every key has an end, and a bound', async (t) => {
  const redis = await openClient(t, await startRedis(t));
  const edge = edgeOn(redis);
  const at = { client: '01020304', network: '010203' };
  const u = newId();
  // A burst that is admitted as leases and then fails as one.
  const burst = await Promise.all(Array.from({ length: 200 }, () => edge.reserve(at)));
  await Promise.all(burst.map((each) => each.fail()));
  for (let i = 0; i < 300; i++) {
    await outcomeOf(() => edge.failed({ ...at, u }));
    edge.forget();
  }
  await outcomeOf(() => edge.failed({ u }));
  await edge.reserve({ ...at, network: '040506', kind: 'register' });
  const keys = await redis.keys('*');
  t.ok(keys.length > 5);
  for (const key of keys) {
    t.ok((await redis.pttl(key)) > 0, key);
    if ((await redis.type(key)) === 'zset') t.ok((await redis.zcard(key)) <= 200, key);
  }
});

t.test('without the store nobody is let through; a forgotten script is no trouble', async (t) => {
  const server = await startRedis(t);
  const redis = await openClient(t, server);
  const edge = edgeOn(redis);
  const at = { client: '01020304', network: '010203' };
  await edge.passed(at);
  await redis.script('FLUSH');
  const reservation = await edge.reserve(at);
  await redis.script('FLUSH');
  await reservation.fail();
  const lost = await edge.reserve(at);
  const released = await edge.reserve(at);
  await server.stop('SIGKILL');
  t.equal(await outcomeOf(() => lost.fail()), 'store_unavailable', 'an uncounted guess');
  t.equal(await outcomeOf(() => lost.release()), 'ok');
  t.equal(await outcomeOf(() => released.release()), 'ok', 'a lease that stays runs out');
  t.equal(await outcomeOf(() => edge.reserve(at)), 'store_unavailable');
  t.equal(await outcomeOf(() => edge.reserve()), 'store_unavailable');
});
