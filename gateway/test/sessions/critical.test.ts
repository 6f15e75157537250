import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import type { RedisClient } from '../../../shared/redis.js';
import { startRedis, type TestRedis } from '../../../shared/test/redis-server.js';
import { keepNameKey, loadNameKey } from '../../name-key.js';
import { createBackup, restoreMeta } from '../../sessions/backup.js';
import { createCriticalSessions, createCriticalUserSessions } from '../../sessions/critical.js';
import { isCritical } from '../../sessions/session-id.js';
import { createUserSessions } from '../../sessions/user-sessions.js';
import { openClient, outcomeOf, quiet, until } from '../store.js';
import {
  createLogBook,
  newU,
  openSession,
  refreshIn,
  sessionsOn,
  setUser,
} from './session-parts.js';

type Test = Parameters<typeof openClient>[0];

const edgeOn = (redis: RedisClient, client: RedisClient) => {
  const book = createLogBook();
  const { publish } = book;
  const backup = createBackup({ main: redis, backup: client, maxMs: 600_000 });
  const sessions = createCriticalSessions({
    redis,
    sessions: sessionsOn(redis, { hasBackup: true }),
    second: sessionsOn(client),
    backup,
    log: quiet,
  });
  const idleMs = 60_000;
  const userSessions = createCriticalUserSessions({
    userSessions: createUserSessions({ redis, publish, idleMs, backup }),
    second: createUserSessions({
      redis: client,
      publish,
      idleMs,
      backup: { end: backup.end, raise: backup.lift },
    }),
    backup,
  });
  return { book, backup, sessions, userSessions };
};

const setup = async (t: Test) => {
  const [mainServer, backupServer] = [await startRedis(t), await startRedis(t)];
  const [redis, client] = [await openClient(t, mainServer), await openClient(t, backupServer)];
  await loadNameKey({ redis });
  await redis.set('keyring', 'sealed');
  const u = newU();
  await setUser(redis, u, 1, { critical: '1' });
  return { mainServer, backupServer, redis, client, u, ...edgeOn(redis, client) };
};
type Setup = Awaited<ReturnType<typeof setup>>;

/** kill -9, and everything it had is gone. */
const loseData = async (server: TestRedis) => {
  await server.stop('SIGKILL');
  rmSync(join(server.dir, 'appendonlydir'), { recursive: true, force: true });
};

const comeBackEmpty = async ({ mainServer, redis }: Setup) => {
  await mainServer.start();
  await until(() => redis.status === 'ready');
};

const use = async ({ sessions }: Pick<Setup, 'sessions'>, token: string) => {
  let found = { outcome: '', refreshToken: '' };
  const code = await outcomeOf(async () => {
    found = { refreshToken: '', ...(await refreshIn(sessions, token)) };
  });
  return code === 'ok' ? found : { outcome: code, refreshToken: '' };
};

const ownerOf = (u: string, sid: string) => ({ u, gen: 1, sid });
const critical = { critical: true };

t.test('only for users allowed it; in both stores before the answer', async (t) => {
  const { redis, client, u, sessions } = await setup(t);
  const plain = await openSession(sessions, u);
  t.notOk(isCritical(plain.sessionId));
  t.strictSame(await client.keys('*'), [], 'others never get there');
  const { sessionId } = await openSession(sessions, u, critical);
  t.ok(isCritical(sessionId));
  t.match(sessionId, /^[\w-]{22}\.[\w-]{22}$/);
  const key = `sess:{${u}}:${sessionId.slice(23)}`;
  t.match(await client.hgetall(key), await redis.hgetall(key));
  t.ok((await client.pttl(key)) > 50_000);
  t.equal(await client.get('keyring'), 'sealed', 'with what it takes to read its tokens');
  const other = newU();
  for (const allowed of [undefined, '0']) {
    await setUser(redis, other, 1, allowed === undefined ? {} : { critical: allowed });
    const wish = openSession(sessions, other, critical);
    t.equal(await outcomeOf(() => wish), 'critical_unavailable');
  }
});

t.test('no backup, no critical session, and nothing half made', async (t) => {
  const { redis, backupServer, u, sessions } = await setup(t);
  await backupServer.stop('SIGKILL');
  const wish = openSession(sessions, u, critical);
  t.equal(await outcomeOf(() => wish), 'store_unavailable');
  t.strictSame(await redis.keys('sess:*'), []);
  await openSession(sessions, u);
});

t.test('the backup lost: sessions go on, an end waits for it', async (t) => {
  const it = await setup(t);
  const { backupServer, client, u, sessions, userSessions } = it;
  const one = await openSession(sessions, u, critical);
  const plain = await openSession(sessions, u);
  await backupServer.stop('SIGKILL');
  const { outcome, refreshToken } = await use(it, one.refreshToken);
  t.equal(outcome, 'rotated');
  await sessions.end(plain.sessionId);
  t.equal(await outcomeOf(() => sessions.end(one.sessionId)), 'store_unavailable');
  t.equal(await outcomeOf(() => userSessions.endAll(u)), 'store_unavailable');
  t.equal((await use(it, refreshToken)).outcome, 'store_unavailable', 'unknown, not logged out');
  const { ended } = await openSession(sessions, u, { gen: 2 });
  t.strictSame(
    [...ended].sort(),
    [plain.sessionId, one.sessionId].sort(),
    'a plain login need not wait',
  );
  await sessions.confirmEnded(ended);
  t.strictSame((await openSession(sessions, u, { gen: 2 })).ended, [one.sessionId], 'told again');
  await backupServer.start();
  await until(() => client.status === 'ready');
  await sessions.end(one.sessionId);
  await sessions.confirmEnded([one.sessionId]);
  t.equal((await use(it, refreshToken)).outcome, 'ended');
  t.strictSame((await openSession(sessions, u, { gen: 2 })).ended, []);
});

t.test('the main store killed with all its data: refresh, list and end go on', async (t) => {
  const it = await setup(t);
  const { mainServer, u, sessions, userSessions, book, backup } = it;
  const one = await openSession(sessions, u, critical);
  const two = await openSession(sessions, u, critical);
  const plain = await openSession(sessions, u);
  const first = await use(it, one.refreshToken);
  await loseData(mainServer);

  const down = await use(it, first.refreshToken);
  t.equal(down.outcome, 'rotated', 'while it is down');
  t.equal((await use(it, first.refreshToken)).refreshToken, down.refreshToken, 'one successor');
  t.equal((await use(it, plain.refreshToken)).outcome, 'store_unavailable');
  const owner = ownerOf(u, one.sessionId);
  t.equal((await userSessions.list(owner)).length, 2);
  await backup.check({ sid: one.sessionId, sub: `u_${u}`, gen: 1 });
  t.equal(await outcomeOf(() => sessions.end(two.sessionId)), 'store_unavailable');
  const others = () => userSessions.endOthers(owner);
  t.equal(await outcomeOf(others), 'store_unavailable', 'those the backup does not know live on');
  const plainOne = () => userSessions.endOne(owner, plain.sessionId);
  t.equal(await outcomeOf(plainOne), 'store_unavailable');

  await comeBackEmpty(it);
  const up = await use(it, down.refreshToken);
  t.equal(up.outcome, 'rotated', 'beside a new main store');
  t.equal((await use(it, plain.refreshToken)).outcome, 'ended', 'others are gone');
  t.equal((await use(it, two.refreshToken)).outcome, 'ended', 'what was to end has ended');
  const three = (await userSessions.list(owner)).map(({ sessionId }) => sessionId);
  t.strictSame(three, [one.sessionId]);
  await sessions.end(one.sessionId);
  t.equal((await use(it, up.refreshToken)).outcome, 'ended');
  const sid = one.sessionId;
  t.equal(await outcomeOf(() => backup.check({ sid, sub: `u_${u}`, gen: 1 })), 'session_ended');
  t.strictSame(book.entries, [], 'the log is the business of the route');
});

t.test('ending one, the others and all beside a new main store', async (t) => {
  const it = await setup(t);
  const { mainServer, u, sessions, userSessions, book } = it;
  const all = [];
  for (let i = 0; i < 4; i++) all.push(await openSession(sessions, u, critical));
  const [mine, one, other] = all.map(({ sessionId }) => sessionId);
  await loseData(mainServer);
  await comeBackEmpty(it);
  const owner = ownerOf(u, mine ?? '');
  await userSessions.endOne(owner, one ?? '');
  t.strictSame(book.entries, [{ kind: 'session', id: one }]);
  await userSessions.endOthers(owner);
  t.equal(book.entries.length, 3);
  t.ok(book.entries.some(({ id }) => id === other));
  t.equal(await userSessions.endAll(u, owner), 2);
  t.strictSame(book.entries.at(-1), { kind: 'user', id: u, gen: 2 });
  t.equal(await it.redis.hget(`user:{${u}}`, 'gen'), '2', 'who signs in next is not among them');
  for (const { refreshToken } of all)
    t.match((await use(it, refreshToken)).outcome, /ended$/, 'dead');
});

t.test('what ended before the loss does not come back with it', async (t) => {
  const it = await setup(t);
  const { mainServer, redis, u, sessions, userSessions } = it;
  const open = () => openSession(sessions, u, critical);
  const [logout, family, one, survivor] = [await open(), await open(), await open(), await open()];
  await sessions.end(logout.sessionId);
  const second = await use(it, family.refreshToken);
  await use(it, second.refreshToken);
  t.equal((await use(it, family.refreshToken)).outcome, 'reuse');
  await userSessions.endOne(ownerOf(u, survivor.sessionId), one.sessionId);
  const other = newU();
  await setUser(redis, other, 1, { critical: '1' });
  const raised = await openSession(sessions, other, critical);
  await userSessions.endAll(other, { status: 'disabled' });
  await loseData(mainServer);
  await comeBackEmpty(it);
  for (const { refreshToken } of [logout, family, one, raised])
    t.match((await use(it, refreshToken)).outcome, /ended$/);
  t.equal((await use(it, survivor.refreshToken)).outcome, 'rotated');
});

t.test('a password change is in both stores', async (t) => {
  const it = await setup(t);
  const { mainServer, redis, u, sessions, userSessions } = it;
  const mine = await openSession(sessions, u, critical);
  const other = await openSession(sessions, u, critical);
  await redis.hset(`user:{${u}}`, 'gen', 2);
  const fresh = await sessions.rebase({ sessionId: mine.sessionId, gen: 2 });
  await userSessions.publishGen(u, 2);
  await loseData(mainServer);
  await comeBackEmpty(it);
  for (const { refreshToken } of [mine, other])
    t.match((await use(it, refreshToken)).outcome, /ended$/, 'of before');
  t.equal((await use(it, fresh)).outcome, 'rotated');
});

t.test('a copy under way cannot bring back what has ended', async (t) => {
  const { client, u, sessions, backup } = await setup(t);
  const { sessionId } = await openSession(sessions, u, critical);
  await backup.end([sessionId]);
  t.equal(await backup.copy(sessionId), false);
  t.equal(await client.hget(`sess:{${u}}:${sessionId.slice(23)}`, 'user_id'), null);
});

t.test('refreshes racing the loss of the main store: never two branches', async (t) => {
  const it = await setup(t);
  const { mainServer, u, sessions } = it;
  const { refreshToken } = await openSession(sessions, u, critical);
  const asking = Promise.all(
    Array.from({ length: 40 }, async (_, i) => {
      await sleep(i);
      return use(it, refreshToken);
    }),
  );
  await sleep(15);
  await loseData(mainServer);
  const answers = await asking;
  const tokens = answers.filter(({ outcome }) => ['rotated', 'repeated'].includes(outcome));
  t.ok(tokens.length > 0);
  t.equal(new Set(tokens.map((answer) => answer.refreshToken)).size, 1);
});

t.test('a gateway that starts beside an empty store takes its keys from the backup', async (t) => {
  const it = await setup(t);
  const { mainServer, backupServer, redis, client, u, sessions } = it;
  const key = await loadNameKey({ redis });
  await openSession(sessions, u, critical);
  await loseData(mainServer);
  await comeBackEmpty(it);
  await restoreMeta(redis, client);
  t.equal(await redis.get('keyring'), 'sealed');
  t.strictSame(await loadNameKey({ redis }), key);
  await redis.set('keyring', 'newer');
  await redis.del('meta:name-key');
  await restoreMeta(redis, client);
  t.strictSame(await loadNameKey({ redis }), key, 'each by itself');
  t.equal(await redis.get('keyring'), 'newer', 'never over what is there');
  await backupServer.stop('SIGKILL');
  await restoreMeta(redis, client);
});

t.test(
  'the name key outlives its store in the gateways that run, and stays what it was',
  async (t) => {
    const it = await setup(t);
    const { mainServer, redis, client, u, sessions } = it;
    await openSession(sessions, u, critical);
    const key = await loadNameKey({ redis });
    const errors: string[] = [];
    const log = { error: (_: object, text: string) => void errors.push(text) };
    let gap = () => {};
    const onGap = (listener: () => void) => {
      gap = listener;
    };
    t.teardown(keepNameKey({ redis, key, revocations: { onGap }, log }));
    await loseData(mainServer);
    await comeBackEmpty(it);
    gap();
    await until(async () => (await redis.exists('meta:name-key')) === 1);
    t.strictSame(await loadNameKey({ redis }), key);
    t.strictSame(errors, []);

    await redis.set('meta:name-key', newU());
    gap();
    await until(() => errors.length > 0);
    t.match(errors[0], /meta:name-key.*restore/);
    const other = newU();
    await setUser(redis, other, 1, { critical: '1' });
    await openSession(sessions, other, critical);
    t.equal(await client.get('meta:name-key'), key.toString('base64url'), 'the first one is right');
  },
);
