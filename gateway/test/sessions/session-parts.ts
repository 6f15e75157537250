/** Session parts for tests: edges on a store of their own, with a log that is only a list. */
import { createHmac, randomBytes } from 'node:crypto';
import type { RedisClient } from '../../../shared/redis.js';
import { createSessions, type Sessions } from '../../sessions/sessions.js';
import type { Revocation } from '../../tokens/revocations.js';

const macKey = randomBytes(32);
const macOf = (text: string) => createHmac('sha256', macKey).update(text).digest('base64url');

export const newU = () => randomBytes(16).toString('base64url');

export const sessionsOn = (
  redis: RedisClient,
  options: Partial<Parameters<typeof createSessions>[0]> = {},
): Sessions =>
  createSessions({
    redis,
    refreshMac: (text) => ({ keyId: 'k001', mac: macOf(text) }),
    confirmRefreshMac: async (keyId, text, mac) => keyId === 'k001' && macOf(text) === mac,
    idleMs: 60_000,
    maxMs: 600_000,
    ...options,
  });

/** What a node writes when it makes or changes an account. */
export const setUser = (redis: RedisClient, u: string, gen: number, more: object = {}) =>
  redis.hset(`user:{${u}}`, { gen, status: 'active', ...more });

export const openSession = async (
  sessions: Sessions,
  u: string,
  more: { gen?: number; critical?: boolean; userAgent?: string; cookieHash?: string } = {},
) => {
  const client = { clientId: 'c_1', address: '127.0.0.1', userAgent: 'test' };
  const account = { u, userId: `u_${u}`, gen: 1, scope: 'account' };
  const created = await sessions.create({ ...account, ...client, ...more });
  if (created === 'gen_changed') throw new Error('the session was refused');
  return created;
};

/** One use of a refresh token by the client of `openSession`. */
export const refreshIn = (sessions: Pick<Sessions, 'rotate'>, token: string) =>
  sessions.rotate(token, 'c_1');

/** A revocation log that can fail. */
export const createLogBook = () => {
  const entries: Revocation[] = [];
  const state = { fails: false };
  const publish = async (entry: Revocation): Promise<void> => {
    if (state.fails) throw new Error('the log is lost');
    entries.push(entry);
  };
  return { entries, state, publish };
};
