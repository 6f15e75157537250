/**
 * Looks at a session without using it: for introspection, and to tell whose a refresh token is. The keys
 * are those of `sessions.ts`, which writes them; nothing is written here.
 */
import type { RedisClient } from '../../shared/redis.js';
import { defineScript, nowLua } from '../../shared/redis-calls.js';
import { sessionKey, userKey } from './account-keys.js';
import { shorten, splitId, spread } from './session-id.js';

/**
 * KEYS: user, session. ARGV: idle ms. Returns nil for a session that has ended or whose account changed,
 * else { user_id, gen, scope, client_id, generation, floor, created at, ends at }, times in ms.
 */
const lookLua = `
local s = redis.call('HMGET', KEYS[2], 'user_id', 'gen', 'scope', 'client_id', 'generation',
  'created_at', 'ends_at', 'last_used_at', 'floor')
if not s[1] then return nil end
local user = redis.call('HMGET', KEYS[1], 'gen', 'status')
if user[1] ~= s[2] or user[2] ~= 'active' then return nil end
${nowLua}
local ends = math.min(tonumber(s[7]), s[8] + ARGV[1])
if ends <= now then return nil end
return { s[1], s[2], s[3], s[4], s[5], s[9], s[6], string.format('%.0f', ends) }`;

type SeenSession = {
  userId: string;
  gen: number;
  scope: string;
  clientId: string;
  /** Of its current refresh token. */
  generation: number;
  /** The first one since the last password change. */
  floor: number;
  createdAtMs: number;
  endsAtMs: number;
};
export type LookAtSession = ReturnType<typeof createSessionLook>;

/** The session as it is in the store now; undefined when it has ended. Throws store_unavailable. */
export const createSessionLook = ({ redis, idleMs }: { redis: RedisClient; idleMs: number }) => {
  const look = defineScript(redis, { name: 'sessionLook', lua: lookLua });
  return async (sessionId: string): Promise<SeenSession | undefined> => {
    const { u, id } = splitId(sessionId);
    // Its own idle limit, by which the next use is judged.
    const own = shorten(id, idleMs, spread);
    const reply = await look([userKey(u), sessionKey(u, id)], [own]);
    if (!Array.isArray(reply)) return undefined;
    const [userId = '', gen, scope = '', clientId = '', generation, floor, created, ends] =
      reply.map(String);
    return {
      ...{ userId, scope, clientId, gen: Number(gen), generation: Number(generation) },
      floor: Number(floor),
      ...{ createdAtMs: Number(created), endsAtMs: Number(ends) },
    };
  };
};
