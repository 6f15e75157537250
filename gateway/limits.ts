/**
 * How much password work one account, one client address and one network may ask for, over all edges.
 * Every attempt first takes a lease: a promise to say soon how it went. Right: the lease goes. Wrong: it
 * becomes a failure. An edge that dies says nothing, and its leases run out. Leases and failures are
 * members of sorted sets whose scores are the times they run out at, so that giving one back is one
 * ZREM. All limits are checked before any work is done, on the clock of Redis.
 */
import { AppError } from '../shared/errors.js';
import { defineScript, type RedisClient, storeCall } from '../shared/redis.js';

const leaseMs = 5000;
const minute = 60_000;

/** Defaults of design § 4.5. */
const defaults = {
  /** Failures and leases together. */
  account: { failures: 10, windowMs: 15 * minute, attemptsPerMinute: 60 },
  address: { failures: 20, leases: 200, registrationsPerHour: 10 },
  network: { failures: 100, leases: 1000, registrationsPerHour: 100 },
  failureWindowMs: minute,
};
export type LimitSettings = typeof defaults;

/** `now`, and the milliseconds until sorted set `key` has room below `limit` (0: it has). */
const preludeLua = `
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
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
const accountLua = ({ account }: LimitSettings) => `${preludeLua}
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
 * address, of the network]. ARGV: attempt id. Returns { milliseconds to wait or 0, 1 if suspect }.
 */
const networkLua = ({ address, network }: LimitSettings) => `${preludeLua}
local sets = { ${address.leases}, ${address.failures}, ${network.leases}, ${network.failures} }
local counts = { ${address.registrationsPerHour}, ${network.registrationsPerHour} }
local ms = 0
for i = 1, 4 do ms = math.max(ms, wait(KEYS[i], sets[i])) end
for i = 5, #KEYS do
  if tonumber(redis.call('GET', KEYS[i]) or 0) >= counts[i - 4] then
    ms = math.max(ms, 1, redis.call('PTTL', KEYS[i]))
  end
end
if ms > 0 then return { ms, 0 } end
for i = 1, 3, 2 do
  redis.call('ZADD', KEYS[i], now + ${leaseMs}, ARGV[1])
  redis.call('PEXPIRE', KEYS[i], ${leaseMs})
end
for i = 5, #KEYS do
  if redis.call('INCR', KEYS[i]) == 1 then redis.call('PEXPIRE', KEYS[i], ${60 * minute}) end
end
return { 0, wait(KEYS[2], ${Math.floor(address.failures / 2) + 1}) > 0 and 1 or 0 }`;

/**
 * Turns leases into failures. KEYS: the sets that leases are in, then as many that failures go to
 * (they may be the same). ARGV: attempt id, milliseconds that a failure counts. Returns nothing.
 */
const failLua = `
local t = redis.call('TIME')
local half = #KEYS / 2
for i = 1, half do
  redis.call('ZREM', KEYS[i], ARGV[1])
  redis.call('ZADD', KEYS[half + i], t[1] * 1000 + math.floor(t[2] / 1000) + ARGV[2], ARGV[1])
  redis.call('PEXPIRE', KEYS[half + i], ARGV[2])
end`;

/** Ends leases, both in one command. KEYS: the sets they are in. ARGV: attempt id. Returns nothing. */
const releaseLua = `
for _, key in ipairs(KEYS) do redis.call('ZREM', key, ARGV[1]) end`;

/**
 * Takes back a count, for a reservation whose other half was refused.
 * KEYS: counters. No ARGV. Returns nothing.
 */
const uncountLua = `
for _, key in ipairs(KEYS) do
  if redis.call('EXISTS', key) == 1 then redis.call('DECR', key) end
end`;

type Kind = 'login' | 'register' | 'password';

export type Reservation = {
  /** The address has used up more than half of its failures: wait behind the others. */
  suspect: boolean;
  /** The attempt was right, or was never made. Never rejects: a lease that stays runs out in 5 s. */
  release(): Promise<void>;
  /** The attempt was wrong. Throws store_unavailable: a guess that was not counted gets no answer. */
  fail(): Promise<void>;
  /** The client left: a failure for its address, none for the account. Never rejects. */
  abandon(): Promise<void>;
};

/** One half of a reservation, admitted or refused. */
type Half = {
  waitMs: number;
  suspect: boolean;
  release(): Promise<unknown>;
  fail(): Promise<unknown>;
  /** Release, and as if it had never been counted. */
  undo(): Promise<unknown>;
};

export type Limits = ReturnType<typeof createLimits>;

const noAddress: Half = {
  waitMs: 0,
  suspect: false,
  release: async () => {},
  fail: async () => {},
  undo: async () => {},
};

/** Network and address under one tag; a network is part of the address, so the pair fits together. */
const addressKeys = (network: string, client: string) => {
  const base = `lim:{net:${network}}`;
  return {
    leases: [`${base}:l:${client}`, `${base}:l`],
    failures: [`${base}:f:${client}`, `${base}:f`],
    registrations: [`${base}:r:${client}`, `${base}:r`],
  };
};

/** One member of the set of failures for each password that was tried. */
const guessIds = (kind: Kind, attemptId: string): string[] =>
  kind === 'password' ? [attemptId, `${attemptId}+`] : [attemptId];

const createAccountHalf = (redis: RedisClient, settings: LimitSettings) => {
  const lua = accountLua(settings);
  const reserve = defineScript(redis, { name: 'limitAccount', keys: 2, lua });
  const fail = defineScript(redis, { name: 'limitAccountFail', keys: 2, lua: failLua });
  const uncount = defineScript(redis, { name: 'limitAccountUncount', keys: 1, lua: uncountLua });

  return async (u: string, kind: Kind, attemptId: string): Promise<Half> => {
    const key = `lim:{${u}}`;
    const counter = `${key}:n`;
    const isCounted = kind !== 'register';
    const reply = await reserve([key, counter], [attemptId, isCounted ? 1 : 0]);
    const release = () => storeCall(redis.zrem(key, attemptId));
    return {
      waitMs: Number(reply),
      suspect: false,
      release,
      // A name that is taken is no guess at its password. A refused change is two: the node has also
      // looked whether the new password is in place already.
      fail: () =>
        kind === 'register'
          ? release()
          : Promise.all(
              guessIds(kind, attemptId).map((id) =>
                fail([key, key], [id, settings.account.windowMs]),
              ),
            ),
      undo: () => Promise.all([release(), isCounted && uncount([counter], [])]),
    };
  };
};

const createAddressHalf = (redis: RedisClient, settings: LimitSettings) => {
  const lua = networkLua(settings);
  const reserve = defineScript(redis, { name: 'limitAddress', keys: 4, lua });
  const register = defineScript(redis, { name: 'limitRegister', keys: 6, lua });
  const end = defineScript(redis, { name: 'limitAddressEnd', keys: 2, lua: releaseLua });
  const fail = defineScript(redis, { name: 'limitAddressFail', keys: 4, lua: failLua });
  const uncount = defineScript(redis, { name: 'limitRegisterUncount', keys: 2, lua: uncountLua });

  return async (network: string, client: string, kind: Kind, attemptId: string): Promise<Half> => {
    const { leases, failures, registrations } = addressKeys(network, client);
    const sets = leases.flatMap((key, i) => [key, failures[i] ?? '']);
    const isCounted = kind === 'register';
    const reply = isCounted
      ? await register([...sets, ...registrations], [attemptId])
      : await reserve(sets, [attemptId]);
    const [waitMs, suspect] = Array.isArray(reply) ? reply.map(Number) : [];
    const release = () => end(leases, [attemptId]);
    return {
      waitMs: waitMs ?? 0,
      suspect: suspect === 1,
      release,
      fail: () => fail([...leases, ...failures], [attemptId, settings.failureWindowMs]),
      undo: () => Promise.all([release(), isCounted && uncount(registrations, [])]),
    };
  };
};

/** Both halves admitted: what the caller gets. The first of release and fail counts. */
const reservationOf = (account: Half, address: Half): Reservation => {
  let isSettled = false;
  const settle = () => {
    const isFirst = !isSettled;
    isSettled = true;
    return isFirst;
  };
  return {
    suspect: address.suspect,
    release: async () => {
      if (settle()) await Promise.allSettled([account.release(), address.release()]);
    },
    fail: async () => {
      if (settle()) await Promise.all([account.fail(), address.fail()]);
    },
    abandon: async () => {
      if (settle()) await Promise.allSettled([account.release(), address.fail()]);
    },
  };
};

export const createLimits = ({
  redis,
  settings = defaults,
}: {
  redis: RedisClient;
  settings?: LimitSettings;
}) => {
  const reserveAccount = createAccountHalf(redis, settings);
  const reserveAddress = createAddressHalf(redis, settings);

  return {
    /**
     * Takes the leases for one attempt, in one round trip. Without `client` and `network` only the
     * account is limited. Throws too_many_attempts with the time to wait, or store_unavailable; either
     * way nothing stays reserved, and what cannot be undone runs out in 5 s.
     */
    reserve: async (wanted: {
      u: string;
      client: string | undefined;
      network: string | undefined;
      kind: Kind;
      attemptId: string;
    }): Promise<Reservation> => {
      const { u, client, network, kind, attemptId } = wanted;
      const [account, address] = await Promise.allSettled([
        reserveAccount(u, kind, attemptId),
        client === undefined || network === undefined
          ? noAddress
          : reserveAddress(network, client, kind, attemptId),
      ]);
      const halves = [account, address].flatMap((half) =>
        half.status === 'fulfilled' ? [half.value] : [],
      );
      const waitMs = Math.max(0, ...halves.map((half) => half.waitMs));
      if (account.status === 'fulfilled' && address.status === 'fulfilled' && waitMs === 0)
        return reservationOf(account.value, address.value);
      const admitted = halves.filter((half) => half.waitMs === 0);
      await Promise.allSettled(admitted.map((half) => half.undo()));
      if (waitMs > 0) throw new AppError('too_many_attempts', { retryAfterMs: waitMs });
      throw account.status === 'rejected' ? account.reason : new AppError('store_unavailable');
    },
  };
};
