/** Cookies against a real Redis: what is stored, what is remembered, and when it stops to count. */
import { randomBytes } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import t from 'tap';
import { connectRedis, type RedisClient } from '../../../shared/redis.js';
import { startRedis } from '../../../shared/test/redis-server.js';
import { cookieOf } from '../../sessions/cookie.js';
import { createCookieSessions } from '../../sessions/cookie-sessions.js';
import { createCookieStore } from '../../sessions/cookie-store.js';
import { createSessions } from '../../sessions/sessions.js';
import { createRevocations, type Revocation } from '../../tokens/revocations.js';
import { openClient, outcomeOf, quiet, until } from '../store.js';

type Test = Parameters<typeof openClient>[0];

const idleMs = 60_000;
const maxMs = 600_000;

/** A log that the test writes itself. */
const createLog = () => {
  const log = {
    ended: new Set<string>(),
    gen: 0,
    isLost: false,
    gap: () => {},
    published: [] as Revocation[],
    check: ({ sid, gen }: { sid: string; gen: number }) => {
      if (log.ended.has(sid) || gen < log.gen) return 'ended' as const;
      return log.isLost ? ('unknown' as const) : ('ok' as const);
    },
    onGap: (listener: () => void) => {
      log.gap = listener;
    },
    publish: async (entry: Revocation) => {
      log.published.push(entry);
    },
  };
  return log;
};

const setup = async (t: Test, options: { idleMs?: number; cacheSize?: number } = {}) => {
  const server = await startRedis(t);
  const redis = await openClient(t, server);
  const u = randomBytes(16).toString('base64url');
  await redis.hset(`user:{${u}}`, 'gen', 1, 'status', 'active');
  const sessions = createSessions({
    ...{ redis, idleMs, maxMs },
    refreshMac: () => ({ keyId: 'k1', mac: 'x'.repeat(43) }),
    confirmRefreshMac: async () => false,
  });
  const edge = (client: RedisClient = redis) => {
    const log = createLog();
    const clock = { at: 0 };
    const cookies = createCookieSessions({
      store: createCookieStore({ redis: client, idleMs, ...options }),
      ...{ revocations: log, maxMs, now: () => clock.at, ...options },
    });
    return { log, clock, cookies };
  };
  const first = edge();
  const open = async (gen = 1) => {
    const issued = first.cookies.issue();
    const who = { u, userId: `u_${u}`, gen, scope: 'account', clientId: 'floodgate' };
    const from = { address: '', userAgent: '', cookieHash: issued.hash };
    const created = await sessions.create({ ...who, ...from });
    if (created === 'gen_changed') throw new Error('refused');
    const header = issued.headersFor(created.sessionId)['set-cookie'];
    return { sessionId: created.sessionId, header, cookie: /=([^;]*)/.exec(header)?.[1] ?? '' };
  };
  const keyOf = (sessionId: string) => `sess:{${u}}:${sessionId.slice(23)}`;
  return { server, redis, u, sessions, edge, open, keyOf, ...first };
};

const newPart = (bytes: number) => randomBytes(bytes).toString('base64url');
const misses = ({ stats }: { stats: () => { misses: number } }) => stats().misses;

t.test(
  'the cookie: host prefix, out of reach of scripts, a secret that is not stored',
  async (t) => {
    const { open, redis, keyOf } = await setup(t);
    const { header, cookie, sessionId } = await open();
    t.equal(
      header,
      `__Host-floodgate=${cookie}; Max-Age=600; Path=/; HttpOnly; Secure; SameSite=Lax`,
    );
    t.match(cookie, /^[\w-]{22}\.[\w-]{22}\.[\w-]{43}$/);
    t.ok(cookie.startsWith(`${sessionId}.`));
    const stored = await redis.hgetall(keyOf(sessionId));
    t.match(stored.cookie, /^1\.[\w-]{43}$/);
    t.notMatch(JSON.stringify(stored), cookie.slice(46));
    t.not((await open()).cookie.slice(46), cookie.slice(46));
  },
);

t.test('a check: the store once, then memory, at once', async (t) => {
  const { open, cookies, u } = await setup(t);
  const { cookie, sessionId } = await open();
  const claims = await cookies.check(cookie);
  t.match(claims, {
    ...{ sub: `u_${u}`, sid: sessionId, gen: 1, scope: 'account', clientId: 'floodgate', u },
    isCookie: true,
  });
  t.ok(Math.abs(claims.exp - (Date.now() + maxMs) / 1000) < 60);
  t.equal(cookies.check(cookie), claims, 'no promise');
  t.strictSame(cookies.stats(), { hits: 1, misses: 1, size: 1 });
});

t.test('many checks of one new cookie ask the store once', async (t) => {
  const { open, cookies } = await setup(t);
  const { cookie } = await open();
  await Promise.all(Array.from({ length: 50 }, () => cookies.check(cookie)));
  t.equal(misses(cookies), 1);
});

t.test('a flood of made-up cookies is refused, and who is known is known', async (t) => {
  const { open, cookies, clock, u } = await setup(t);
  const { cookie } = await open();
  const claims = await cookies.check(cookie);
  const made = () => `${u}.${newPart(16)}.${newPart(32)}`;
  const flood = Array.from({ length: 600 }, () => outcomeOf(() => cookies.check(made())));
  clock.at = idleMs / 2;
  t.equal(cookies.check(cookie), claims, 'also when its use is to be noted');
  const outcomes = await Promise.all(flood);
  t.equal(outcomes.filter((outcome) => outcome === 'temporarily_unavailable').length, 600 - 512);
});

t.test('what is no cookie of a living session', async (t) => {
  const { open, cookies, redis, keyOf, sessions } = await setup(t);
  const { cookie, sessionId } = await open();
  const [u = '', id = '', secret = ''] = cookie.split('.');
  const other = randomBytes(32).toString('base64url');
  const check = (text: string) => outcomeOf(() => cookies.check(text));
  for (const text of [
    '',
    'x',
    `${u}.${id}`,
    `${cookie}.`,
    `${cookie}x`,
    ` ${cookie}`,
    `"${cookie}"`,
  ])
    t.equal(await check(text), 'token_invalid', text);
  t.equal(await check(`${u}.${id}.${other}`), 'token_invalid');
  t.equal(await check(`${u}.${other.slice(0, 22)}.${secret}`), 'session_ended');
  t.equal(await check(`${other.slice(0, 22)}.${id}.${secret}`), 'session_ended');
  const tokenOnly = await sessions.create({
    ...{ u, userId: 'x', gen: 1, scope: '', clientId: 'c', address: '', userAgent: '' },
  });
  const sid = tokenOnly === 'gen_changed' ? '' : tokenOnly.sessionId;
  t.equal(await check(`${sid}.${secret}`), 'token_invalid', 'a session without a cookie');
  await redis.hset(keyOf(sessionId), 'cookie', '');
  t.equal(await check(cookie), 'token_invalid');
  t.equal(cookies.stats().size, 0, 'nothing of it is remembered');
});

t.test('revoked: the log outweighs memory and a fresh reading', async (t) => {
  const { open, cookies, log, sessions, edge } = await setup(t);
  const { cookie, sessionId } = await open();
  await cookies.check(cookie);
  log.ended.add(sessionId);
  t.equal(await outcomeOf(() => cookies.check(cookie)), 'session_ended', 'record still there');
  const late = edge();
  await late.cookies.check(cookie);
  await sessions.end(sessionId);
  t.equal(await outcomeOf(() => late.cookies.check(cookie)), 'ok', 'this edge has not heard yet');
  late.log.ended.add(sessionId);
  t.equal(await outcomeOf(() => late.cookies.check(cookie)), 'session_ended');
});

t.test('a gap of the log empties the memory, and no reading from before it stays', async (t) => {
  const { open, cookies, log, sessions } = await setup(t);
  const { cookie, sessionId } = await open();
  await cookies.check(cookie);
  log.gap();
  t.equal(cookies.stats().size, 0);
  const running = cookies.check(cookie);
  log.gap();
  await running;
  t.equal(cookies.stats().size, 0);
  await sessions.end(sessionId);
  t.equal(await outcomeOf(() => cookies.check(cookie)), 'session_ended');
});

t.test('memory never outlives what the log remembers', async (t) => {
  const { open, cookies, clock, sessions } = await setup(t, { idleMs: 7_200_000 });
  const { cookie, sessionId } = await open();
  await cookies.check(cookie);
  // Ended, and the entry in the log forgotten meanwhile.
  await sessions.end(sessionId);
  clock.at = 600_000;
  t.equal(await outcomeOf(() => cookies.check(cookie)), 'session_ended');
});

t.test('use is written down at most once in a while, beside the answer', async (t) => {
  const { open, cookies, clock, redis, keyOf, u } = await setup(t);
  const { cookie, sessionId } = await open();
  const key = keyOf(sessionId);
  const lastUse = async () => Number(await redis.hget(key, 'last_used_at'));
  const opened = await lastUse();
  await cookies.check(cookie);
  clock.at = 14_999;
  await cookies.check(cookie);
  t.equal(misses(cookies), 1, 'not yet');
  await redis.hset(key, 'last_used_at', opened - 20_000);
  await redis.pexpire(key, 40_000);
  clock.at = 15_000;
  t.notOk(cookies.check(cookie) instanceof Promise, 'the caller does not wait');
  t.ok(await until(async () => (await lastUse()) >= opened));
  t.ok((await redis.pttl(key)) > 50_000);
  t.equal(Number(await redis.zscore(`idx:{${u}}`, sessionId.slice(23))), await lastUse());
  t.equal(misses(cookies), 2);

  await redis.hset(key, 'last_used_at', opened - 20_000);
  await redis.config('SET', 'maxmemory', '1');
  clock.at = 30_000;
  await cookies.check(cookie);
  t.ok(await until(async () => (await lastUse()) >= opened), 'in a full Redis, too');
});

t.test('idle and absolute limits hold, in memory and in the store', async (t) => {
  const { open, cookies, clock, redis, keyOf, edge } = await setup(t);
  const idle = await open();
  await cookies.check(idle.cookie);
  await redis.hset(keyOf(idle.sessionId), 'last_used_at', Date.now() - idleMs);
  clock.at = idleMs;
  t.equal(await outcomeOf(() => cookies.check(idle.cookie)), 'session_ended');
  t.equal(await redis.exists(keyOf(idle.sessionId)), 0);
  const old = await open();
  const later = edge();
  await redis.hset(keyOf(old.sessionId), 'ends_at', Date.now() + 5000);
  await later.cookies.check(old.cookie);
  await redis.hset(keyOf(old.sessionId), 'ends_at', Date.now() - 1);
  later.clock.at = 5000;
  t.equal(await outcomeOf(() => later.cookies.check(old.cookie)), 'session_ended');
});

t.test('a password change kills the cookie; a repeat tells the edges again', async (t) => {
  const { open, cookies, redis, u, sessions, log, edge } = await setup(t);
  const { cookie, sessionId } = await open();
  await cookies.check(cookie);
  const renew = async () => {
    const { hash, headersFor } = cookies.issue();
    await sessions.rebase({ sessionId, gen: 2, cookieHash: hash });
    return /=([^;]*)/.exec(headersFor(sessionId)['set-cookie'])?.[1] ?? '';
  };
  t.equal(await outcomeOf(renew), 'session_ended', 'no such generation yet');
  await redis.hset(`user:{${u}}`, 'gen', 2);
  const other = edge();
  t.equal(await outcomeOf(() => other.cookies.check(cookie)), 'session_ended');
  t.strictSame(other.log.published, [{ kind: 'user', id: u, gen: 2 }]);
  const lost = await renew();
  t.equal(await outcomeOf(() => cookies.check(cookie)), 'ok', 'by which the change is repeated');
  const renewed = await renew();
  t.equal((await cookies.check(renewed)).gen, 2, 'before any edge has been told');
  log.gen = 2;
  t.equal((await cookies.check(renewed)).gen, 2);
  const third = edge();
  t.equal(await outcomeOf(() => third.cookies.check(cookie)), 'session_ended', 'of before it');
  t.strictSame(third.log.published, [{ kind: 'user', id: u, gen: 2 }], 'and the edges hear of it');
  t.equal(
    await outcomeOf(() => third.cookies.check(lost)),
    'token_invalid',
    'nobody has ever had it',
  );
  await redis.hset(`user:{${u}}`, 'status', 'disabled');
  t.equal(await outcomeOf(() => edge().cookies.check(renewed)), 'session_ended');
});

t.test('store lost: memory as the log allows, everything else unknown', async (t) => {
  const { open, cookies, log, server } = await setup(t);
  const { cookie } = await open();
  const unseen = await open();
  await cookies.check(cookie);
  await server.stop('SIGKILL');
  t.equal(await outcomeOf(() => cookies.check(cookie)), 'ok');
  t.equal(await outcomeOf(() => cookies.check(unseen.cookie)), 'store_unavailable');
  t.equal(await outcomeOf(() => cookies.checkForLogout(cookie)), 'store_unavailable');
  log.isLost = true;
  t.equal(await outcomeOf(() => cookies.check(cookie)), 'store_unavailable');
  await server.start();
  t.ok(await until(async () => (await outcomeOf(() => cookies.check(cookie))) === 'ok'));
});

t.test('a lost log alone: the store is asked each time', async (t) => {
  const { open, cookies, log } = await setup(t);
  const { cookie } = await open();
  log.isLost = true;
  await cookies.check(cookie);
  await cookies.check(cookie);
  t.equal(misses(cookies), 2);
});

t.test('for logout: repeatable, from the store only', async (t) => {
  const { open, cookies, log, sessions } = await setup(t);
  const { cookie, sessionId } = await open();
  log.ended.add(sessionId);
  t.match(await cookies.checkForLogout(cookie), { sid: sessionId }, 'the record is still there');
  await sessions.end(sessionId);
  t.equal(await cookies.checkForLogout(cookie), undefined);
  t.equal(await outcomeOf(() => cookies.checkForLogout('x')), 'token_invalid');
});

t.test('a flood of cookies that nobody has seen is bounded', async (t) => {
  const { cookies } = await setup(t);
  const made = () => `${['u', 'i'].map(() => randomBytes(16).toString('base64url')).join('.')}`;
  const all = Array.from(
    { length: 600 },
    () => `${made()}.${randomBytes(32).toString('base64url')}`,
  );
  const codes = await Promise.all(all.map((cookie) => outcomeOf(() => cookies.check(cookie))));
  t.strictSame(new Set(codes), new Set(['session_ended', 'temporarily_unavailable']));
  t.equal(codes.filter((code) => code === 'temporarily_unavailable').length, 88);
});

t.test('the header: our cookie among others, and only one of ours', async (t) => {
  const request = (cookie?: string) => ({ headers: { cookie } }) as unknown as IncomingMessage;
  const read = async (cookie?: string) => {
    const code = await outcomeOf(() => cookieOf(request(cookie)));
    return code === 'ok' ? cookieOf(request(cookie)) : code;
  };
  t.equal(await read(), undefined);
  t.equal(await read('a=b; floodgate=x; __Host-floodgate2=y; __host-floodgate=z'), undefined);
  t.equal(await read('a=b; __Host-floodgate=v.w.x; c=d'), 'v.w.x');
  t.equal(await read('__Host-floodgate=v;a=b'), 'v');
  t.equal(await read('a="__Host-floodgate=v"'), undefined);
  t.equal(await read('__Host-floodgate='), '');
  t.equal(await read('__Host-floodgate=a; x=y; __Host-floodgate=b'), 'bad_request');
});

t.test('signed out in a race with checks on two edges: once dead, never alive again', async (t) => {
  const { open, server, sessions } = await setup(t);
  const edges = await Promise.all(
    [1, 2].map(async (n) => {
      const redis = await openClient(t, server);
      const blocking = { url: server.url, name: `log-${n}`, log: quiet, blocking: true };
      const revocations = createRevocations({
        ...{ redis, log: quiet, connect: () => connectRedis(blocking) },
      });
      t.teardown(revocations.close);
      await revocations.ready();
      const store = createCookieStore({ redis, idleMs });
      const cookies = createCookieSessions({ store, revocations, maxMs });
      return { revocations, cookies };
    }),
  );
  const [first] = edges;
  const opened = await Promise.all(Array.from({ length: 50 }, () => open()));
  /** Asks until the cookie is dead, then twenty times more; true when it came back. */
  const watch = async (cookies: (typeof edges)[number]['cookies'], cookie: string) => {
    const isDead = async () => (await outcomeOf(() => cookies.check(cookie))) !== 'ok';
    if (!(await until(isDead))) return true;
    for (let n = 0; n < 20; n++) if (!(await isDead())) return true;
    return false;
  };
  const ends = opened.map(async ({ sessionId, cookie }) => {
    const watched = edges.map(({ cookies }) => watch(cookies, cookie));
    await first?.revocations.publish({ kind: 'session', id: sessionId });
    await sessions.end(sessionId);
    return Promise.all(watched);
  });
  t.notOk((await Promise.all(ends)).flat().includes(true));
});
