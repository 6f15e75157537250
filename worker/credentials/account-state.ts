/**
 * The account state of records that are not in Redis: `user:{u}` (gen, status, user_id, and the attempt
 * that last raised the generation). No script can span both stores, so the order does it: a record is
 * written first and its state after, and who reads takes the state first. A change of password leaves its
 * attempt here (`pending`) before it writes: when it was interrupted, the next login ends what was issued
 * before, whether or not the new hash was written.
 */
import { AppError } from '../../shared/errors.js';
import type { RedisClient } from '../../shared/redis.js';
import { defineBatch } from '../../shared/redis-batch.js';
import { defineScript, defineStrongScript } from '../../shared/redis-calls.js';
import type { Status } from './credentials.js';

export type State = {
  gen: number;
  /** Empty when nothing is known of the account. */
  status: string;
  userId: string;
  attempt: string;
  scopes: string | undefined;
  /** Of a change that has begun, and perhaps written; empty when there is none. */
  pending: string;
};

/** KEYS user. Returns {gen, status, user_id, attempt, scopes, pending}. */
const lookScript = {
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
const enterScript = {
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
 * There is a record whose state is missing, or is that of another account: unless somebody was faster.
 * KEYS user. ARGV user_id, status. Returns as lookScript.
 */
const adoptScript = {
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
const beginScript = {
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
const settleScript = {
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
const raiseScript = {
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
const endScript = {
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
const scopesScript = {
  name: 'fgStateScopes',
  lua: `
local s = redis.call('HGET', KEYS[1], 'status')
if not s or s == 'deleted' then return 0 end
redis.call('HSET', KEYS[1], 'scopes', ARGV[1])
return 1`,
};

const isRow = (value: unknown): value is (string | null)[] => Array.isArray(value);

const readState = (value: unknown): State => {
  if (!isRow(value)) throw new AppError('store_unavailable', { detail: 'unexpected answer' });
  const [gen, status, userId, attempt, scopes, pending] = value;
  return {
    gen: Number(gen ?? 0),
    status: status ?? '',
    userId: userId ?? '',
    attempt: attempt ?? '',
    scopes: scopes ?? undefined,
    pending: pending ?? '',
  };
};

/** What a record says of its account; without a status where the record itself is asked at every login. */
type Owned = { userId: string; status?: Status };
type Found<T> = { state: State; record: T } | undefined;
type Entered = { u: string; userId: string; status: Status; attempt: string; endsOld: boolean };

/** What is known of an account that no state is of. */
export const noState: State = {
  ...{ gen: 0, status: '', userId: '', attempt: '', scopes: undefined, pending: '' },
};

const isOf = ({ userId, status }: State, record: Owned): boolean =>
  userId === record.userId && !['', 'deleted'].includes(status);

export const createAccountState = ({ redis }: { redis: RedisClient }) => {
  const lookAt = defineScript(redis, lookScript);
  const lookAtMany = defineBatch(redis, lookScript);
  const enterMany = defineBatch(redis, enterScript, { isStrong: true });
  const adoptOne = defineStrongScript(redis, adoptScript);
  const raiseOne = defineStrongScript(redis, raiseScript);
  const beginOne = defineStrongScript(redis, beginScript);
  const settleOne = defineStrongScript(redis, settleScript);
  const endOne = defineStrongScript(redis, endScript);
  const scopesOne = defineStrongScript(redis, scopesScript);
  const keyOf = (u: string): string[] => [`user:{${u}}`];

  const look = async (u: string): Promise<State> => readState(await lookAt(keyOf(u), []));

  const adopt = async (u: string, { userId, status = 'active' }: Owned): Promise<State> =>
    readState(await adoptOne(keyOf(u), [userId, status]));

  const end = async (u: string): Promise<boolean> => (await endOne(keyOf(u), [])) === 1;

  /** State first, record second: a password that was right before a change never meets the gen after. */
  const readWith = async <T extends Owned>(
    u: string,
    readRecord: (state: State) => Promise<T | undefined>,
  ): Promise<Found<T>> => {
    const state = await look(u);
    const record = await readRecord(state);
    if (record === undefined) return undefined;
    if (isOf(state, record)) return { state, record };
    const adopted = await adopt(u, record);
    const again = await readRecord(adopted);
    if (again?.userId === adopted.userId) return { state: adopted, record: again };
    // It was removed meanwhile, perhaps after its state was ended.
    await end(u);
    return undefined;
  };

  /** As readWith, for who only looks: nothing is written. */
  const lookWith = async <T extends Owned>(
    u: string,
    readRecord: (state: State) => Promise<T | undefined>,
  ): Promise<Found<T>> => {
    const state = await look(u);
    const record = await readRecord(state);
    return record && { state: isOf(state, record) ? state : noState, record };
  };

  return {
    look,
    readWith,
    lookWith,
    end,

    lookMany: async (us: readonly string[]): Promise<State[]> =>
      (await lookAtMany(us.map((u) => ({ keys: keyOf(u), args: [] })))).map(readState),

    /** The generations, in order. Idempotent by attempt id. */
    enter: async (rows: readonly Entered[]): Promise<number[]> => {
      const calls = rows.map(({ u, userId, status, attempt, endsOld }) => ({
        keys: keyOf(u),
        args: [userId, status, attempt, endsOld ? 1 : 0],
      }));
      return (await enterMany(calls)).map(Number);
    },

    /** Before a new hash is written; the attempt of the last change, undefined: the account is not active. */
    begin: async (u: string, attempt: string): Promise<string | undefined> => {
      const last = await beginOne(keyOf(u), [attempt]);
      return typeof last === 'string' ? last : undefined;
    },

    /** Nothing was written after all. */
    giveUp: async (u: string, attempt: string): Promise<void> => {
      await settleOne(keyOf(u), [attempt, 0]);
    },

    /** As Credentials.settle. */
    settle: async (u: string, attempt: string): Promise<number | undefined> => {
      const gen = await settleOne(keyOf(u), [attempt, 1]);
      return typeof gen === 'string' ? Number(gen) : undefined;
    },

    raise: async (u: string, attempt: string): Promise<number | undefined> => {
      const gen = await raiseOne(keyOf(u), [attempt]);
      return typeof gen === 'string' ? Number(gen) : undefined;
    },

    setScopes: async (u: string, scopes: string): Promise<boolean> =>
      (await scopesOne(keyOf(u), [scopes])) === 1,
  };
};
