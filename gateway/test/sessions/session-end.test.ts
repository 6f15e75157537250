import t from 'tap';
import { startRedis } from '../../../shared/test/redis-server.js';
import type { Caller } from '../../caller.js';
import { createSessionEnd } from '../../sessions/session-end.js';
import { createUserSessions } from '../../sessions/user-sessions.js';
import { openClient } from '../store.js';
import {
  createLogBook,
  newU,
  openSession,
  refreshIn,
  sessionsOn,
  setUser,
} from './session-parts.js';

const callerOf = (u: string, sid: string): Caller => ({
  ...{ sub: `u_${u}`, sid, gen: 1, scope: '', clientId: 'c_1', jti: 'j', kid: 'k', aud: '', u },
  ...{ iat: 1, exp: 2 },
});

t.test('a failed try leaves what proves the caller, and the repeat does both', async (t) => {
  const redis = await openClient(t, await startRedis(t));
  const sessions = sessionsOn(redis);
  const { entries, state, publish } = createLogBook();
  const { ofCaller } = createSessionEnd({ sessions, revocations: { publish } });
  const u = newU();
  await setUser(redis, u, 1);
  const exists = async (sid: string) => (await redis.exists(`sess:{${u}}:${sid.slice(23)}`)) === 1;

  for (const isCookie of [true, false]) {
    const { sessionId: sid } = await openSession(sessions, u);
    const caller = isCookie ? { ...callerOf(u, sid), isCookie } : callerOf(u, sid);
    state.fails = true;
    await t.rejects(ofCaller(caller), 'the log is lost');
    t.equal(await exists(sid), isCookie, 'a cookie needs its record, a token does not');
    state.fails = false;
    await ofCaller(caller);
    t.equal(await exists(sid), false);
    t.match(entries.at(-1), { kind: 'session', id: sid });
  }
});

t.test('an end that the log has not heard of is told by whoever ends the others', async (t) => {
  const redis = await openClient(t, await startRedis(t));
  const sessions = sessionsOn(redis, { graceMs: 0 });
  const { entries, state, publish } = createLogBook();
  const ends = createSessionEnd({ sessions, revocations: { publish } });
  const userSessions = createUserSessions({ redis, publish, idleMs: 60_000 });
  const u = newU();
  await setUser(redis, u, 1);
  const { sessionId: own } = await openSession(sessions, u);
  const { sessionId: left } = await openSession(sessions, u);
  const { sessionId: stolen, refreshToken } = await openSession(sessions, u);
  await refreshIn(sessions, refreshToken);
  t.match(await refreshIn(sessions, refreshToken), { outcome: 'reuse' });
  state.fails = true;
  await t.rejects(ends.recordFirst(left));
  await t.rejects(ends.logFirst(stolen));
  state.fails = false;
  await userSessions.endOthers({ u, gen: 1, sid: own });
  t.same(new Set(entries.map(({ id }) => id)), new Set([left, stolen]));
  await ends.recordFirst(own);
  t.equal(await redis.exists(`idx:{${u}}:gone`), 0, 'what was told is not told again');
});
