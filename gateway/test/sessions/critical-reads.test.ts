/** Cookies, looks and single tokens of critical sessions against two real stores, of which one is lost. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { startRedis } from '../../../shared/test/redis-server.js';
import { createBackup } from '../../sessions/backup.js';
import { hashSecret, newSecret } from '../../sessions/cookie.js';
import { createCookieStore } from '../../sessions/cookie-store.js';
import { createCriticalSessions } from '../../sessions/critical.js';
import {
  createCriticalCookieStore,
  createCriticalLook,
  createCriticalRevoked,
} from '../../sessions/critical-reads.js';
import { createSessionLook } from '../../sessions/session-look.js';
import { createRevoked } from '../../tokens/revoked.js';
import { openClient, outcomeOf, quiet, until } from '../store.js';
import { newU, openSession, sessionsOn, setUser } from './session-parts.js';

type Test = Parameters<typeof openClient>[0];

const idleMs = 60_000;
const critical = true;

const setup = async (t: Test) => {
  const [mainServer, backupServer] = [await startRedis(t), await startRedis(t)];
  const [redis, client] = [await openClient(t, mainServer), await openClient(t, backupServer)];
  const u = newU();
  await setUser(redis, u, 1, { critical: '1' });
  const backup = createBackup({ main: redis, backup: client, maxMs: 600_000 });
  const sessions = createCriticalSessions({
    ...{ redis, backup, log: quiet },
    sessions: sessionsOn(redis, { hasBackup: true }),
    second: sessionsOn(client),
  });
  const on = <T>(make: (given: { redis: typeof redis; idleMs: number }) => T): [T, T] => [
    make({ redis, idleMs }),
    make({ redis: client, idleMs }),
  ];
  const [store, secondStore] = on(createCookieStore);
  const [look, secondLook] = on(createSessionLook);
  const [revoked, secondRevoked] = on(createRevoked);
  const cookies = createCriticalCookieStore({ store, second: secondStore, backup, log: quiet });
  const open = async (more: { critical?: boolean } = {}) => {
    const secret = newSecret();
    const { sessionId } = await openSession(sessions, u, {
      ...more,
      cookieHash: hashSecret(secret),
    });
    return { sessionId, cookie: `${sessionId}.${secret}` };
  };
  const check = async (cookie: string): Promise<string> => {
    let found = '';
    const code = await outcomeOf(async () => {
      found = (await cookies.check(cookie)).outcome;
    });
    return code === 'ok' ? found : code;
  };
  return {
    ...{ mainServer, backupServer, redis, client, u, backup, sessions, cookies, open, check },
    look: createCriticalLook({ look, second: secondLook, backup }),
    revoked: createCriticalRevoked({ revoked, second: secondRevoked }),
    loseMain: async () => {
      await mainServer.stop('SIGKILL');
      rmSync(join(mainServer.dir, 'appendonlydir'), { recursive: true, force: true });
    },
    renewMain: async () => {
      await mainServer.start();
      await until(() => redis.status === 'ready');
    },
  };
};

t.test(
  'cookie and session are known while the main store is down, and when it is new',
  async (t) => {
    const { open, check, look, loseMain, renewMain, client, u } = await setup(t);
    const [mine, plain] = [await open({ critical }), await open()];
    t.strictSame([await check(mine.cookie), await check(plain.cookie)], ['ok', 'ok']);
    const before = await look(mine.sessionId);
    const wrong = `${mine.sessionId}.${newSecret()}`;

    await loseMain();
    t.equal(await check(mine.cookie), 'ok');
    t.equal(await check(wrong), 'invalid');
    t.equal(await check(plain.cookie), 'store_unavailable');
    t.strictSame(await look(mine.sessionId), before);
    t.equal(await outcomeOf(() => look(plain.sessionId)), 'store_unavailable');

    await renewMain();
    t.equal(await check(mine.cookie), 'ok');
    t.equal(await check(wrong), 'invalid');
    t.equal(await check(plain.cookie), 'ended', 'its record is lost');
    t.strictSame(await look(mine.sessionId), before);
    t.equal(await look(plain.sessionId), undefined);
    await client.hset(`user:{${u}}`, 'gen', 2);
    t.equal(await check(mine.cookie), 'ended', 'and no generation for the log of a new main store');
  },
);

t.test('what ended has ended in both, and without the backup nobody knows', async (t) => {
  const { open, check, look, sessions, loseMain, renewMain, backupServer } = await setup(t);
  const [over, mine] = [await open({ critical }), await open({ critical })];
  await sessions.end(over.sessionId);
  t.equal(await check(over.cookie), 'ended');
  await loseMain();
  t.equal(await check(over.cookie), 'ended');
  t.equal(await look(over.sessionId), undefined);
  await renewMain();
  t.equal(await check(over.cookie), 'ended');
  await backupServer.stop('SIGKILL');
  t.equal(await check(mine.cookie), 'store_unavailable', 'unknown is never "logged out"');
  t.equal(await outcomeOf(() => look(mine.sessionId)), 'store_unavailable');
});

t.test('a new cookie and the use of a session reach the backup', async (t) => {
  const { open, check, sessions, redis, client, u, loseMain } = await setup(t);
  const [mine, used] = [await open({ critical }), await open({ critical })];
  const key = `sess:{${u}}:${used.sessionId.slice(23)}`;
  await redis.hincrby(key, 'last_used_at', -30_000);
  const usedAt = await client.hget(key, 'last_used_at');
  t.equal(await check(used.cookie), 'ok');
  t.ok(await until(async () => (await client.hget(key, 'last_used_at')) !== usedAt));

  await redis.hset(`user:{${u}}`, 'gen', 2);
  const secret = newSecret();
  const cookieHash = hashSecret(secret);
  await sessions.rebase({ sessionId: mine.sessionId, gen: 2, cookieHash });
  await loseMain();
  t.equal(await check(`${mine.sessionId}.${secret}`), 'ok');
  t.equal(await check(mine.cookie), 'ended');
});

t.test('a revoked token of a critical session is revoked in both stores', async (t) => {
  const { open, revoked, client, loseMain, renewMain, backupServer } = await setup(t);
  const [mine, plain] = [await open({ critical }), await open()];
  const token = (sid: string, jti: string) => ({ sid, jti, exp: Date.now() / 1000 + 600 });
  const [dead, live] = [token(mine.sessionId, 'dead'), token(mine.sessionId, 'live')];
  const ofPlain = token(plain.sessionId, 'plain');
  await revoked.add(dead);
  await revoked.add(ofPlain);
  t.strictSame(await client.keys('revocations:*'), ['revocations:jti:dead']);
  const say = async () => [await revoked.has(dead), await revoked.has(live)];
  t.strictSame(await say(), [true, false]);
  await loseMain();
  t.strictSame(await say(), [true, false]);
  t.equal(await outcomeOf(() => revoked.has(ofPlain)), 'store_unavailable');
  await renewMain();
  t.strictSame(await say(), [true, false]);
  await backupServer.stop('SIGKILL');
  t.equal(await outcomeOf(() => revoked.add(live)), 'store_unavailable');
  await loseMain();
  t.equal(await outcomeOf(() => revoked.has(live)), 'store_unavailable');
});
