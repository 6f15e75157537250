/**
 * The limits of design § 4.5 and the scripts that keep them, each deciding and writing in one step on
 * the clock of Redis. Leases and failures are members of sorted sets whose scores are the times they
 * run out at, so that giving one back is one ZREM. `limits.ts` owns the keys.
 */
import { nowLua } from '../../shared/redis-calls.js';

export const leaseMs = 5000;
const minute = 60_000;

/** Defaults of design § 4.5. */
export const defaultLimits = {
  /** Failures and leases together. */
  account: { failures: 10, windowMs: 15 * minute, attemptsPerMinute: 60 },
  address: { failures: 20, leases: 200, registrationsPerHour: 10 },
  network: { failures: 100, leases: 1000, registrationsPerHour: 100 },
  failureWindowMs: minute,
};
export type LimitSettings = typeof defaultLimits;

/** `now`, and the milliseconds until sorted set `key` has room below `limit` (0: it has). */
const preludeLua = `
${nowLua}
local function wait(key, limit)
  local n = redis.call('ZCARD', key)
  if n < limit then return 0 end
  redis.call('ZREMRANGEBYSCORE', key, '-inf', now)
  n = redis.call('ZCARD', key)
  if n < limit then return 0 end
  return math.max(1, redis.call('ZRANGE', key, n - limit, n - limit, 'WITHSCORES')[2] - now)
end`;

/**
 * Takes a lease on the account.
 * KEYS: failures and leases; attempts of this minute. ARGV: attempt id, '1' to count the attempt.
 * Returns 0, or the milliseconds to wait.
 */
export const accountLua = ({ account }: LimitSettings) => `${preludeLua}
local ms = wait(KEYS[1], ${account.failures})
if ms > 0 then return ms end
if ARGV[2] == '1' then
  local n = redis.call('INCR', KEYS[2])
  if n == 1 then redis.call('PEXPIRE', KEYS[2], ${minute}) end
  if n > ${account.attemptsPerMinute} then
    return math.max(1, redis.call('PTTL', KEYS[2]))
  end
end
redis.call('ZADD', KEYS[1], now + ${leaseMs}, ARGV[1])
redis.call('PEXPIRE', KEYS[1], ${account.windowMs})
return 0`;

/**
 * Takes a lease on address and network, and counts a registration when its two keys are given.
 * KEYS: leases and failures of the address, leases and failures of the network[, registrations of the
 * address, of the network]. ARGV: attempt id. Returns { milliseconds to wait or 0, 1 if suspect, those of the network's
 * limits alone }.
 */
export const networkLua = ({ address, network }: LimitSettings) => `${preludeLua}
local sets = { ${address.leases}, ${address.failures}, ${network.leases}, ${network.failures} }
local counts = { ${address.registrationsPerHour}, ${network.registrationsPerHour} }
local ms = 0
local networkMs = 0
local function heard(i, found)
  ms = math.max(ms, found)
  if i == 3 or i == 4 or i == 6 then networkMs = math.max(networkMs, found) end
end
for i = 1, 4 do heard(i, wait(KEYS[i], sets[i])) end
for i = 5, #KEYS do
  if tonumber(redis.call('GET', KEYS[i]) or 0) >= counts[i - 4] then
    heard(i, math.max(1, redis.call('PTTL', KEYS[i])))
  end
end
if ms > 0 then return { ms, 0, networkMs } end
for i = 1, 3, 2 do
  redis.call('ZADD', KEYS[i], now + ${leaseMs}, ARGV[1])
  redis.call('PEXPIRE', KEYS[i], ${leaseMs})
end
for i = 5, #KEYS do
  if redis.call('INCR', KEYS[i]) == 1 then redis.call('PEXPIRE', KEYS[i], ${60 * minute}) end
end
return { 0, wait(KEYS[2], ${Math.floor(address.failures / 2) + 1}) > 0 and 1 or 0, 0 }`;

/**
 * Turns leases into failures. KEYS: the sets that leases are in, then as many that failures go to
 * (they may be the same). ARGV: attempt id, milliseconds that a failure counts. Returns nothing.
 */
export const failLua = `
${nowLua}
local half = #KEYS / 2
for i = 1, half do
  redis.call('ZREM', KEYS[i], ARGV[1])
  redis.call('ZADD', KEYS[half + i], now + ARGV[2], ARGV[1])
  redis.call('PEXPIRE', KEYS[half + i], ARGV[2])
end`;

/** Ends leases, both in one command. KEYS: the sets they are in. ARGV: attempt id. Returns nothing. */
export const releaseLua = `
for _, key in ipairs(KEYS) do redis.call('ZREM', key, ARGV[1]) end`;

/**
 * Takes back a count, for a reservation whose other half was refused.
 * KEYS: counters. No ARGV. Returns nothing.
 */
export const uncountLua = `
for _, key in ipairs(KEYS) do
  if redis.call('EXISTS', key) == 1 then redis.call('DECR', key) end
end`;
