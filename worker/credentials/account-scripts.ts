/** The scripts behind account-state.ts. Each is of one account: `user:{u}`. */

/** KEYS user. Returns {gen, status, user_id, attempt, scopes, pending}. */
export const lookScript = {
  name: 'fgLookState',
  keys: 1,
  lua: `
return redis.call('HMGET', KEYS[1], 'gen', 'status', 'user_id', 'attempt', 'scopes', 'pending')`,
};

/**
 * A record was written: the state follows. Generations go on, so that what an earlier account of this
 * name left stays dead; whom an operator disabled, no import enables. KEYS user. ARGV user_id, status, attempt, 1 = ends what was issued before.
 * Returns the gen.
 */
export const enterScript = {
  name: 'fgEnterState',
  keys: 1,
  lua: `
local s = redis.call('HMGET', KEYS[1], 'user_id', 'status', 'attempt')
local isOwn = s[1] == ARGV[1] and s[2] ~= 'deleted' and ARGV[3] ~= '' and s[3] == ARGV[3]
if isOwn then return redis.call('HGET', KEYS[1], 'gen') end
local gen = redis.call('HINCRBY', KEYS[1], 'gen', s[1] and tonumber(ARGV[4]) or 1)
local status = s[1] == ARGV[1] and s[2] == 'disabled' and s[2] or ARGV[2]
redis.call('HSET', KEYS[1], 'user_id', ARGV[1], 'status', status, 'attempt', ARGV[3])
if s[1] ~= ARGV[1] then redis.call('HDEL', KEYS[1], 'scopes', 'critical') end
return tostring(gen)`,
};

/**
 * There is a record of which nothing is known, as at its first login. Not strong: it ends nothing of anybody, and
 * what a failover lost is made again by the next login. KEYS user. ARGV user_id, status. Returns as lookScript.
 */
export const firstScript = {
  name: 'fgFirstState',
  lua: `
if redis.call('EXISTS', KEYS[1]) == 0 then
  redis.call('HSET', KEYS[1], 'gen', 1, 'user_id', ARGV[1], 'status', ARGV[2])
end
return redis.call('HMGET', KEYS[1], 'gen', 'status', 'user_id', 'attempt', 'scopes', 'pending')`,
};

/**
 * There is a record whose state is incomplete, or is that of another account: unless somebody was faster.
 * KEYS user. ARGV user_id, status. Returns as lookScript.
 */
export const adoptScript = {
  name: 'fgAdoptState',
  lua: `
local s = redis.call('HMGET', KEYS[1], 'user_id', 'status')
if s[1] ~= ARGV[1] or not s[2] or s[2] == 'deleted' then
  redis.call('HINCRBY', KEYS[1], 'gen', 1)
  redis.call('HSET', KEYS[1], 'user_id', ARGV[1], 'status', ARGV[2])
  redis.call('HDEL', KEYS[1], 'attempt', 'scopes', 'critical', 'pending')
end
return redis.call('HMGET', KEYS[1], 'gen', 'status', 'user_id', 'attempt', 'scopes', 'pending')`,
};

/**
 * A change of password is about to be written. KEYS user. ARGV attempt. Returns the attempt that last
 * raised the generation, nil when the account is not active. One that was left pending stays: this one ends
 * what it should have ended.
 */
export const beginScript = {
  name: 'fgBeginChange',
  lua: `
local s = redis.call('HMGET', KEYS[1], 'status', 'attempt')
if s[1] ~= 'active' then return false end
if s[2] ~= ARGV[1] then redis.call('HSETNX', KEYS[1], 'pending', ARGV[1]) end
return s[2] or ''`,
};

/**
 * The end of a change that is pending: it may have been written ('1'), or was not ('0').
 * KEYS user. ARGV attempt, '1' or '0'. Returns the gen, nil when it is not pending any more.
 */
export const settleScript = {
  name: 'fgSettleChange',
  lua: `
if redis.call('HGET', KEYS[1], 'pending') ~= ARGV[1] then return false end
redis.call('HDEL', KEYS[1], 'pending')
return tostring(redis.call('HINCRBY', KEYS[1], 'gen', ARGV[2]))`,
};

/**
 * Ends everything issued before, once per attempt. KEYS user. ARGV attempt.
 * Returns the gen, nil when the account is not active.
 */
export const raiseScript = {
  name: 'fgRaiseGen',
  lua: `
local s = redis.call('HMGET', KEYS[1], 'gen', 'status', 'attempt')
local gen = s[1]
if s[3] ~= ARGV[1] then
  gen = tostring(redis.call('HINCRBY', KEYS[1], 'gen', 1))
  redis.call('HSET', KEYS[1], 'attempt', ARGV[1])
end
redis.call('HDEL', KEYS[1], 'pending')
return s[2] == 'active' and gen or false`,
};

/** The account is deleted. KEYS user. Returns 1, or 0 when it was, or was never there. */
export const endScript = {
  name: 'fgEndState',
  lua: `
local s = redis.call('HGET', KEYS[1], 'status')
if not s or s == 'deleted' then return 0 end
redis.call('HINCRBY', KEYS[1], 'gen', 1)
redis.call('HSET', KEYS[1], 'status', 'deleted')
redis.call('HDEL', KEYS[1], 'critical')
return 1`,
};

/** KEYS user. ARGV scopes. Returns 1, or 0 without an account. */
export const scopesScript = {
  name: 'fgStateScopes',
  lua: `
local s = redis.call('HGET', KEYS[1], 'status')
if not s or s == 'deleted' then return 0 end
redis.call('HSET', KEYS[1], 'scopes', ARGV[1])
return 1`,
};
