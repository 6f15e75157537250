import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { startRedis } from '../../../shared/test/redis-server.js';
import { createUserSessions } from '../../sessions/user-sessions.js';
import { openClient, outcomeOf } from '../store.js';
import {
  createLogBook,
  newU,
  openSession,
  refreshIn,
  sessionsOn,
  setUser,
} from './session-parts.js';

const setup = async (t: Parameters<typeof openClient>[0]) => {
  const redis = await openClient(t, await startRedis(t));
  const u = newU();
  await setUser(redis, u, 1);
  const book = createLogBook();
  const { publish } = book;
  const userSessions = createUserSessions({ redis, publish, idleMs: 60_000 });
  return { redis, u, book, userSessions, sessions: sessionsOn(redis) };
};

const outcome = async (sessions: ReturnType<typeof sessionsOn>, token: string): Promise<string> => {
  let found = '';
  const code = await outcomeOf(async () => {
    found = (await refreshIn(sessions, token)).outcome;
  });
  return code === 'ok' ? found : code;
};

t.test('the list: last used first, with where from, and nothing of what has ended', async (t) => {
  const { redis, u, userSessions, sessions } = await setup(t);
  const one = await openSession(sessions, u, { userAgent: 'one' });
  await sleep(3);
  const two = await openSession(sessions, u, { userAgent: 'two' });
  await sleep(3);
  const three = await openSession(sessions, u, { userAgent: 'three' });
  await sleep(3);
  await refreshIn(sessions, one.refreshToken);
  await redis.unlink(`sess:{${u}}:${two.sessionId.slice(23)}`);
  const owner = { u, gen: 1, sid: one.sessionId };
  const found = await userSessions.list(owner);
  t.strictSame(
    found.map(({ sessionId }) => sessionId),
    [one.sessionId, three.sessionId],
  );
  t.match(found[0], { address: '127.0.0.1', userAgent: 'one' });
  t.ok((found[0]?.lastUsedAt ?? 0) > (found[0]?.createdAt ?? 0));
  t.equal(await redis.zcard(`idx:{${u}}`), 2, 'and forgets what it did not find');
  t.equal(await outcomeOf(() => userSessions.list({ ...owner, gen: 2 })), 'session_ended');
  t.strictSame(await userSessions.list({ ...owner, u, gen: 1 }), found);
  const nobody = { u: newU(), gen: 1, sid: 'x' };
  t.equal(await outcomeOf(() => userSessions.list(nobody)), 'session_ended');
});

t.test('ending one: dead, told, repeatable; what never was is not told', async (t) => {
  const { redis, u, book, userSessions, sessions } = await setup(t);
  const mine = await openSession(sessions, u);
  const other = await openSession(sessions, u);
  const owner = { u, gen: 1, sid: mine.sessionId };
  await userSessions.endOne(owner, other.sessionId);
  t.equal(await outcome(sessions, other.refreshToken), 'ended');
  t.strictSame(book.entries, [{ kind: 'session', id: other.sessionId }]);
  await userSessions.endOne(owner, other.sessionId);
  await userSessions.endOne(owner, `${u}.${newU()}`);
  t.equal(book.entries.length, 1, 'inventing ids fills no log');
  t.equal(await outcome(sessions, mine.refreshToken), 'rotated');
  t.equal(await redis.exists(`idx:{${u}}:gone`), 0);
});

t.test('an end that could not be told is told by the next try', async (t) => {
  const { u, book, userSessions, sessions } = await setup(t);
  const mine = await openSession(sessions, u);
  const other = await openSession(sessions, u);
  const owner = { u, gen: 1, sid: mine.sessionId };
  book.state.fails = true;
  t.equal(await outcomeOf(() => userSessions.endOne(owner, other.sessionId)), 'internal');
  book.state.fails = false;
  await userSessions.endOne(owner, other.sessionId);
  t.strictSame(book.entries, [{ kind: 'session', id: other.sessionId }]);
});

t.test('ending the others keeps this one; a failure is made good by a repeat', async (t) => {
  const { redis, u, book, userSessions, sessions } = await setup(t);
  const mine = await openSession(sessions, u);
  const others = [await openSession(sessions, u), await openSession(sessions, u)];
  const owner = { u, gen: 1, sid: mine.sessionId };
  book.state.fails = true;
  t.equal(await outcomeOf(() => userSessions.endOthers(owner)), 'internal');
  for (const { refreshToken } of others) t.equal(await outcome(sessions, refreshToken), 'ended');
  book.state.fails = false;
  await userSessions.endOthers(owner);
  t.strictSame(
    book.entries.map(({ id }) => id).sort(),
    others.map(({ sessionId }) => sessionId).sort(),
  );
  t.equal(await outcome(sessions, mine.refreshToken), 'rotated');
  t.equal(await redis.zcard(`idx:{${u}}`), 1);
});

t.test(
  'ending all is one number: every token of every session, at once and for good',
  async (t) => {
    const { redis, u, book, userSessions, sessions } = await setup(t);
    const all = [];
    for (let i = 0; i < 20; i++) all.push(await openSession(sessions, u));
    const sid = all[0]?.sessionId ?? '';
    book.state.fails = true;
    t.equal(await outcomeOf(() => userSessions.endAll(u, { gen: 1, sid })), 'internal');
    book.state.fails = false;
    t.equal(
      await userSessions.endAll(u, { gen: 1, sid }),
      2,
      'the repeat tells, and raises no more',
    );
    t.strictSame(book.entries, [{ kind: 'user', id: u, gen: 2 }]);
    for (const { refreshToken } of all) t.not(await outcome(sessions, refreshToken), 'rotated');
    t.strictSame(await redis.keys('sess:*'), []);
    const fresh = await openSession(sessions, u, { gen: 2 });
    t.equal(await userSessions.endAll(u, { gen: 1, sid }), 2);
    t.equal(
      await outcome(sessions, fresh.refreshToken),
      'rotated',
      'an old token ends nothing newer',
    );
    await redis.hincrby(`user:{${u}}`, 'gen', 1);
    t.equal(await userSessions.endAll(u, { gen: 1, sid }), 3, 'still a repeat');
    t.equal(
      await userSessions.endAll(u, { gen: 2, sid }),
      undefined,
      'a new password is no end of all',
    );
    t.equal(await userSessions.endAll(newU()), undefined, 'no such account');
  },
);

t.test('disabling: status and generation in one step', async (t) => {
  const { redis, u, book, userSessions, sessions } = await setup(t);
  const { refreshToken } = await openSession(sessions, u);
  t.equal(await userSessions.endAll(u, { status: 'disabled' }), 2);
  t.match(await redis.hgetall(`user:{${u}}`), { gen: '2', status: 'disabled' });
  t.not(await outcome(sessions, refreshToken), 'rotated');
  t.strictSame(book.entries, [{ kind: 'user', id: u, gen: 2 }]);
  await t.rejects(openSession(sessions, u, { gen: 2 }));
});

t.test('logins and refreshes racing the end of all: nothing from before it lives', async (t) => {
  const { u, userSessions, sessions } = await setup(t);
  const alive: number[] = [];
  for (let gen = 1; gen <= 100; gen++) {
    const { refreshToken } = await openSession(sessions, u, { gen });
    const tokens = [refreshToken];
    const keep = async (call: () => Promise<string>) => {
      await outcomeOf(async () => tokens.push(await call()));
    };
    await Promise.all([
      keep(async () => {
        const rotation = await refreshIn(sessions, refreshToken);
        return 'refreshToken' in rotation ? rotation.refreshToken : refreshToken;
      }),
      userSessions.endAll(u),
      keep(async () => (await openSession(sessions, u, { gen })).refreshToken),
    ]);
    for (const token of tokens)
      if (['rotated', 'repeated'].includes(await outcome(sessions, token))) alive.push(gen);
  }
  t.strictSame(alive, []);
});
