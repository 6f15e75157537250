import t from 'tap';
import { startRedis } from '../../shared/test/redis-server.js';
import type { Caller } from '../caller.js';
import { createEndOwn } from '../end-own.js';
import { createLogBook, newU, openSession, sessionsOn, setUser } from './session-parts.js';
import { openClient } from './store.js';

const callerOf = (u: string, sid: string): Caller => ({
  ...{ sub: `u_${u}`, sid, gen: 1, scope: '', clientId: 'c_1', jti: 'j', kid: 'k', aud: '', u },
  ...{ iat: 1, exp: 2 },
});

t.test('a failed try leaves what proves the caller, and the repeat does both', async (t) => {
  const redis = await openClient(t, await startRedis(t));
  const sessions = sessionsOn(redis);
  const { entries, state, publish } = createLogBook();
  const endOwn = createEndOwn({ sessions, revocations: { publish } });
  const u = newU();
  await setUser(redis, u, 1);
  const exists = async (sid: string) => (await redis.exists(`sess:{${u}}:${sid.slice(23)}`)) === 1;

  for (const isCookie of [true, false]) {
    const { sessionId: sid } = await openSession(sessions, u);
    const caller = isCookie ? { ...callerOf(u, sid), isCookie } : callerOf(u, sid);
    state.fails = true;
    await t.rejects(endOwn(caller), 'the log is lost');
    t.equal(await exists(sid), isCookie, 'a cookie needs its record, a token does not');
    state.fails = false;
    await endOwn(caller);
    t.equal(await exists(sid), false);
    t.match(entries.at(-1), { kind: 'session', id: sid });
  }
});
