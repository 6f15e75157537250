/** Looking at sessions, and using their tokens as the wrong client: neither changes anything. */
import { randomBytes } from 'node:crypto';
import t from 'tap';
import { startRedis } from '../../../shared/test/redis-server.js';
import { shorten, spread } from '../../sessions/session-id.js';
import { createSessionLook } from '../../sessions/session-look.js';
import { createSessions } from '../../sessions/sessions.js';
import { openClient, outcomeOf } from '../store.js';

const mac = 'm'.repeat(43);

const setup = async (t: Parameters<typeof openClient>[0]) => {
  const redis = await openClient(t, await startRedis(t));
  const sessions = createSessions({
    redis,
    refreshMac: () => ({ keyId: 'k001', mac }),
    confirmRefreshMac: async (_keyId, _text, given) => given === mac,
    idleMs: 60_000,
    maxMs: 600_000,
  });
  const u = randomBytes(16).toString('base64url');
  await redis.hset(`user:{${u}}`, 'gen', 3, 'status', 'active');
  const who = { u, userId: `u_${u}`, gen: 3, scope: 'account', clientId: 'c_1' };
  const created = await sessions.create({ ...who, address: '', userAgent: '' });
  if (created === 'gen_changed') throw new Error('the session was refused');
  const look = createSessionLook({ redis, idleMs: 60_000 });
  return { redis, sessions, u, look, ...created };
};

t.test('a session as it is, until it or its account is no more', async (t) => {
  const { redis, sessions, u, look, sessionId, refreshToken } = await setup(t);
  const seen = await look(sessionId);
  t.match(seen, { userId: `u_${u}`, gen: 3, scope: 'account', clientId: 'c_1', generation: 0 });
  const life = (seen?.endsAtMs ?? 0) - (seen?.createdAtMs ?? 0);
  t.ok(life > 0 && life <= 60_000, 'the idle limit comes first');
  t.strictSame(await look(sessionId), seen, 'nothing was used');
  await sessions.rotate(refreshToken, 'c_1');
  t.equal((await look(sessionId))?.generation, 1);
  for (const [field, value, back] of [
    ['gen', 4, 3],
    ['status', 'disabled', 'active'],
  ] as const) {
    await redis.hset(`user:{${u}}`, field, value);
    t.equal(await look(sessionId), undefined, field);
    await redis.hset(`user:{${u}}`, field, back);
  }
  const [, id = ''] = sessionId.split('.');
  await redis.hset(`sess:{${u}}:${id}`, 'last_used_at', Date.now() - 61_000);
  t.equal(await look(sessionId), undefined, 'idle for too long');
  await redis.hset(`sess:{${u}}:${id}`, 'last_used_at', Date.now());
  await sessions.end(sessionId);
  t.equal(await look(sessionId), undefined);
});

t.test('the end that is told is the one that a refresh keeps', async (t) => {
  const { redis, sessions, u, look, sessionId, refreshToken } = await setup(t);
  const key = `sess:{${u}}:${sessionId.slice(23)}`;
  const own = shorten(sessionId.slice(23), 60_000, spread);
  const used = Number(await redis.hget(key, 'last_used_at'));
  t.equal((await look(sessionId))?.endsAtMs, used + own);
  await redis.hset(key, 'last_used_at', Date.now() - own);
  t.equal(await look(sessionId), undefined);
  t.match(await sessions.rotate(refreshToken, 'c_1'), { outcome: 'ended' });
});

t.test('the token of another client is none, and stays unused', async (t) => {
  const { sessions, look, sessionId, refreshToken } = await setup(t);
  for (let i = 0; i < 3; i++)
    t.equal(await outcomeOf(() => sessions.rotate(refreshToken, 'c_2')), 'token_invalid');
  t.equal((await look(sessionId))?.generation, 0);
  t.equal((await sessions.rotate(refreshToken, 'c_1')).outcome, 'rotated');
  t.equal(await outcomeOf(() => sessions.rotate(refreshToken, 'c_2')), 'token_invalid');
  t.match(await sessions.read(refreshToken), { sessionId, generation: 0 });
  t.equal(await sessions.read(`${refreshToken}x`), undefined);
});
