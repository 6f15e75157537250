/** What sessions.ts runs inside Redis: each step of a session's life is one script, so it is atomic. */
import { nowLua } from '../../shared/redis-calls.js';

/**
 * Opens a session unless the account changed since its password was checked.
 * KEYS: user, session, index, gone. ARGV: id, gen, idle ms, max ms (both its own), per user, ms to remember
 * what is gone, the longest idle and max ms that any session has, then field, value, … to store.
 * Returns nil when gen or status changed, else the ids of sessions that had to go, and of at most two that
 * had to before, whose end nobody has confirmed to be in the revocation log. At most two, as hundreds of
 * logins at once would each tell of those of all others.
 */
export const createLua = `
local user = redis.call('HMGET', KEYS[1], 'gen', 'status')
if user[1] ~= ARGV[2] or user[2] ~= 'active' then return nil end
${nowLua}
local idle, max = tonumber(ARGV[3]), tonumber(ARGV[4])
redis.call('HSET', KEYS[2], 'gen', ARGV[2], 'generation', 0, 'floor', 0, 'created_at', now,
  'last_used_at', now, 'rotated_at', 0, 'ends_at', now + max, unpack(ARGV, 9))
redis.call('PEXPIRE', KEYS[2], math.min(idle, max))
redis.call('ZADD', KEYS[3], now, ARGV[1])
-- Never shortened: sessions of before may have been given longer.
if redis.call('PTTL', KEYS[3]) < tonumber(ARGV[8]) then redis.call('PEXPIRE', KEYS[3], ARGV[8]) end
if redis.call('ZCARD', KEYS[3]) > tonumber(ARGV[5]) then
  redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', now - ARGV[7])
end
local gone = redis.call('SMEMBERS', KEYS[4])
local told = { gone[1], gone[2] }
local over = redis.call('ZCARD', KEYS[3]) - ARGV[5]
if over > 0 then
  local old = redis.call('ZRANGE', KEYS[3], 0, over - 1)
  local prefix = string.sub(KEYS[2], 1, -1 - #ARGV[1])
  for _, id in ipairs(old) do
    redis.call('UNLINK', prefix .. id)
    redis.call('SADD', KEYS[4], id)
    told[#told + 1] = id
  end
  redis.call('PEXPIRE', KEYS[4], ARGV[6])
  redis.call('ZREMRANGEBYRANK', KEYS[3], 0, over - 1)
end
return told`;

/**
 * Uses a refresh token, whose MAC was checked before. The order of tokens is that of their generations.
 * Time only moves forwards here: a clock behind the last use (a failover) gives a session no more of
 * it, and a grace that began in the future has passed as soon as one in the past.
 * What it ends is remembered in `gone` until the end is confirmed to be in the revocation log.
 * One that comes late, after a standstill of the server, changes nothing: its caller was told that nothing is
 * known, and may come back with the same token when the grace for that has passed.
 * KEYS: user, session, index, gone. ARGV: id, generation, grace ms, idle ms, client, ms to
 * remember, the last server ms at which it may run ("" = any).
 * Returns { outcome, server ms, user_id, gen, scope, client_id, generation of the successor };
 * outcomes: rotated, repeated (same successor, inside the grace), reuse (family killed),
 * stale (the account changed since), foreign (the family of another client than ARGV[5]), ended, late.
 */
export const rotateLua = `
${nowLua}
if ARGV[7] ~= '' and now > tonumber(ARGV[7]) then return { 'late', now } end
local s = redis.call('HMGET', KEYS[2], 'user_id', 'gen', 'scope', 'client_id', 'generation', 'floor',
  'last_used_at', 'ends_at', 'rotated_at')
if not s[1] then return { 'ended', now } end
if s[4] ~= ARGV[5] then return { 'foreign', now } end
local user = redis.call('HMGET', KEYS[1], 'gen', 'status')
local presented, current = tonumber(ARGV[2]), tonumber(s[5])
if user[1] ~= s[2] or user[2] ~= 'active' or presented < tonumber(s[6]) then
  return { 'stale', now }
end
local at = math.max(now, tonumber(s[7]))
local idle, left = tonumber(ARGV[4]), s[8] - at
local outcome = 'rotated'
if left <= 0 or at - s[7] >= idle then outcome = 'ended'
elseif presented == current - 1 and math.abs(now - s[9]) < tonumber(ARGV[3]) then
  outcome = 'repeated'
elseif presented < current then outcome = 'reuse' end
if outcome == 'ended' or outcome == 'reuse' then
  redis.call('UNLINK', KEYS[2])
  redis.call('ZREM', KEYS[3], ARGV[1])
  redis.call('SADD', KEYS[4], ARGV[1])
  redis.call('PEXPIRE', KEYS[4], ARGV[6])
  return { outcome, now }
end
if outcome == 'rotated' then
  current = presented + 1
  redis.call('HSET', KEYS[2], 'generation', current, 'last_used_at', at, 'rotated_at', now)
  redis.call('PEXPIRE', KEYS[2], math.min(idle, left))
  redis.call('ZADD', KEYS[3], 'XX', at, ARGV[1])
end
return { outcome, now, s[1], s[2], s[3], s[4], current }`;

/**
 * After a password change: this session goes over to the new gen, all others of the user end.
 * KEYS: user, session, index. ARGV: id, gen, hash of the secret of its new cookie or ''. Returns the
 * generation of its refresh token, or nil when the session is gone or gen is not (or no longer) the user's.
 * A repeat changes nothing but the cookie: the last one made is the good one. The one of before the change is kept
 * as `cookie_before`: who shows it is told that the session has changed, and so is the log.
 */
export const rebaseLua = `
local user = redis.call('HMGET', KEYS[1], 'gen', 'status')
if user[1] ~= ARGV[2] or user[2] ~= 'active' then return nil end
local s = redis.call('HMGET', KEYS[2], 'gen', 'generation', 'cookie')
if not s[1] then return nil end
local prefix = string.sub(KEYS[2], 1, -1 - #ARGV[1])
for _, id in ipairs(redis.call('ZRANGE', KEYS[3], 0, -1)) do
  if id ~= ARGV[1] and redis.call('HGET', prefix .. id, 'gen') ~= ARGV[2] then
    redis.call('UNLINK', prefix .. id)
    redis.call('ZREM', KEYS[3], id)
  end
end
local generation = tonumber(s[2])
if s[1] ~= ARGV[2] then
  generation = generation + 1
  redis.call('HSET', KEYS[2], 'gen', ARGV[2], 'generation', generation, 'floor', generation)
  if ARGV[3] ~= '' and s[3] then redis.call('HSET', KEYS[2], 'cookie_before', s[3]) end
end
if ARGV[3] ~= '' then redis.call('HSET', KEYS[2], 'cookie', ARGV[2] .. '.' .. ARGV[3]) end
return generation`;

/**
 * KEYS: session, index, gone. ARGV: id, ms to remember. Returns nothing. Repeatable.
 */
export const endLua = `
redis.call('ZREM', KEYS[2], ARGV[1])
if redis.call('UNLINK', KEYS[1]) == 0 then return end
redis.call('SADD', KEYS[3], ARGV[1])
redis.call('PEXPIRE', KEYS[3], ARGV[2])`;
