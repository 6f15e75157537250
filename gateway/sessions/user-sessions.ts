/**
 * All sessions of one user: list them, end one, end the others, end all. Ending one is its own entry
 * in the revocation log. Ending all is one number: the account's generation goes up, and whatever
 * carries a smaller one is dead everywhere; that is also what a new password and disabling do.
 * Order (design § 5): session script, backup store where critical sessions are concerned, log, answer.
 * Whatever fails is store_unavailable, and the same call again does all of it again.
 */
import { AppError } from '../../shared/errors.js';
import type { RedisClient } from '../../shared/redis.js';
import {
  defineScript,
  defineStrongScript,
  evenWhenFull,
  nowLua,
} from '../../shared/redis-calls.js';
import { goneKey, indexKey, sessionPrefix, userKey } from './account-keys.js';
import { goneMs, isCritical, splitId } from './session-id.js';

/**
 * KEYS: user, index. ARGV: gen of the caller, prefix of session keys, idle ms.
 * Returns nil when the account has another gen or is not active, else
 * { id, created, last used, address, user agent } each, the last used first.
 */
const listLua = `
local user = redis.call('HMGET', KEYS[1], 'gen', 'status')
if user[1] ~= ARGV[1] or user[2] ~= 'active' then return nil end
${nowLua}
local found = {}
for _, id in ipairs(redis.call('ZREVRANGE', KEYS[2], 0, -1)) do
  local s = redis.call('HMGET', ARGV[2] .. id, 'created_at', 'last_used_at', 'address', 'user_agent',
    'gen', 'ends_at')
  if not s[1] then redis.call('ZREM', KEYS[2], id)
  elseif s[5] == user[1] and tonumber(s[6]) > now and now - s[2] < tonumber(ARGV[3]) then
    found[#found + 1] = { id, s[1], s[2], s[3], s[4] }
  end
end
return found`;

/**
 * Ends one session, or all but one; remembers them until their end is confirmed to be in the log.
 * KEYS: user, index, gone. ARGV: gen of the caller, prefix of session keys, 'one' or 'others', id,
 * ms to remember. Returns nil when the account has another gen, else the ids to publish.
 */
const endLua = `
if redis.call('HGET', KEYS[1], 'gen') ~= ARGV[1] then return nil end
local ids = { ARGV[4] }
if ARGV[3] == 'others' then ids = redis.call('ZRANGE', KEYS[2], 0, -1) end
for _, id in ipairs(ids) do
  if ARGV[3] == 'one' or id ~= ARGV[4] then
    local had = redis.call('UNLINK', ARGV[2] .. id) + redis.call('ZREM', KEYS[2], id)
    if had > 0 then redis.call('SADD', KEYS[3], id) end
  end
end
redis.call('PEXPIRE', KEYS[3], ARGV[5])
if ARGV[3] == 'others' then return redis.call('SMEMBERS', KEYS[3]) end
return redis.call('SISMEMBER', KEYS[3], ARGV[4]) == 1 and { ARGV[4] } or {}`;

/**
 * Ends everything that was issued so far. What is left of the records goes too, which are no more than
 * one user may have.
 * KEYS: user, index. ARGV: prefix of session keys, gen of the caller or '', status to set or '' (who is
 * deleted stays so), id of the caller's session or '': it must not have ended by itself. Returns the gen
 * in force, nil for no such account. A caller's gen that has been left behind changes nothing: it is a
 * repeat when everything has ended since (`swept` = the gen that this began), else nil.
 */
const raiseLua = `
local gen = redis.call('HGET', KEYS[1], 'gen')
if not gen then return nil end
if ARGV[2] ~= '' and ARGV[2] ~= gen then
  local swept = tonumber(redis.call('HGET', KEYS[1], 'swept') or 0)
  if swept > tonumber(ARGV[2]) then return tonumber(gen) end
  return nil
end
if ARGV[4] ~= '' and redis.call('EXISTS', ARGV[1] .. ARGV[4]) == 0 then return nil end
if ARGV[3] ~= '' and redis.call('HGET', KEYS[1], 'status') ~= 'deleted' then
  redis.call('HSET', KEYS[1], 'status', ARGV[3])
end
for _, id in ipairs(redis.call('ZRANGE', KEYS[2], 0, -1)) do redis.call('UNLINK', ARGV[1] .. id) end
redis.call('UNLINK', KEYS[2])
redis.call('HSET', KEYS[1], 'swept', gen + 1)
return redis.call('HINCRBY', KEYS[1], 'gen', 1)`;

/** Who asks: from the claims of an access token. */
type Owner = { u: string; gen: number; sid: string };

export type SessionView = {
  sessionId: string;
  /** Milliseconds since 1970. */
  createdAt: number;
  lastUsedAt: number;
  address: string;
  userAgent: string;
};

type Entry = { kind: 'session'; id: string } | { kind: 'user'; id: string; gen: number };
type Publish = (entry: Entry) => Promise<void>;

/** What the backup store of critical sessions has to hear; see backup.ts. */
type Backup = {
  end(sessionIds: readonly string[]): Promise<void>;
  raise(u: string, gen: number, status?: 'disabled'): Promise<void>;
};

export type UserSessions = ReturnType<typeof createUserSessions>;

const readView = (u: string, row: unknown): SessionView => {
  const [id, created, used, address, userAgent] = Array.isArray(row) ? row.map(String) : [];
  return {
    sessionId: `${u}.${id ?? ''}`,
    createdAt: Number(created),
    lastUsedAt: Number(used),
    address: address ?? '',
    userAgent: userAgent ?? '',
  };
};

export const createUserSessions = ({
  redis,
  publish,
  idleMs,
  backup,
}: {
  redis: RedisClient;
  publish: Publish;
  idleMs: number;
  backup?: Backup | undefined;
}) => {
  const listScript = defineScript(redis, { name: 'sessionsList', lua: listLua });
  const endScript = defineStrongScript(redis, {
    name: 'sessionsEnd',
    lua: evenWhenFull(endLua),
  });
  const raiseScript = defineStrongScript(redis, {
    name: 'sessionsRaise',
    lua: evenWhenFull(raiseLua),
  });
  const keysOf = (u: string): [string, string] => [userKey(u), indexKey(u)];

  /** Tells the backup and every edge; then nobody needs to remember it any more. */
  const announce = async (u: string, ids: readonly string[]): Promise<void> => {
    if (ids.length === 0) return;
    const sessionIds = ids.map((id) => `${u}.${id}`);
    const critical = sessionIds.filter(isCritical);
    if (backup !== undefined && critical.length > 0) await backup.end(critical);
    await Promise.all(sessionIds.map((id) => publish({ kind: 'session', id })));
    await redis.srem(goneKey(u), ...ids).catch(() => {});
  };

  const end = async ({ u, gen }: Owner, which: 'one' | 'others', id: string): Promise<void> => {
    const args = [gen, sessionPrefix(u), which, id, goneMs];
    const reply = await endScript([...keysOf(u), goneKey(u)], args);
    if (!Array.isArray(reply)) throw new AppError('session_ended');
    await announce(u, reply.map(String));
  };

  /** Everything of the account from before `gen`, which is in the store already, is dead everywhere. */
  const publishGen = async (u: string, gen: number, status?: 'disabled'): Promise<void> => {
    await backup?.raise(u, gen, status);
    await publish({ kind: 'user', id: u, gen });
  };

  return {
    /**
     * The owner's sessions, the last used first, at most as many as a user may have. Throws
     * session_ended when the account changed since the owner's token, and store_unavailable.
     */
    list: async ({ u, gen }: Owner): Promise<SessionView[]> => {
      const rows = await listScript(keysOf(u), [gen, sessionPrefix(u), idleMs]);
      if (!Array.isArray(rows)) throw new AppError('session_ended');
      return rows.map((row) => readView(u, row));
    },

    /** Ends one session of the owner; repeatable, and nothing when there is none. Throws as `list`. */
    endOne: (owner: Owner, sessionId: string): Promise<void> =>
      end(owner, 'one', splitId(sessionId).id),

    /** Ends all sessions of the owner but the one of the token; repeatable. Throws as `list`. */
    endOthers: (owner: Owner): Promise<void> => end(owner, 'others', splitId(owner.sid).id),

    /**
     * Ends all sessions of the account with everything issued for them; repeatable. With `gen`, the
     * caller's, only what is not newer than that (`sid`: the session that asks). `status` is set in the
     * same step. The gen in force, or undefined when there is no such account, or the caller's gen ended
     * otherwise. Throws store_unavailable.
     */
    endAll: async (
      u: string,
      { gen, sid, status }: { gen?: number; sid?: string; status?: 'disabled' } = {},
    ): Promise<number | undefined> => {
      const own = sid === undefined ? '' : splitId(sid).id;
      const raised = await raiseScript(keysOf(u), [sessionPrefix(u), gen ?? '', status ?? '', own]);
      if (typeof raised !== 'number') return undefined;
      await publishGen(u, raised, status);
      return raised;
    },

    publishGen,
  };
};
