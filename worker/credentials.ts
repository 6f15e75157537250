/**
 * Password records and the account state beside them. Owns `cred:{u}` (hash, version, norm, user_id,
 * scopes, attempt) and writes `user:{u}` (gen, status, user_id), which the gateway reads when it makes
 * sessions. Neither has a TTL. Every write compares before it sets: on the stored hash and version
 * (the version is the fencing token between migration and password change), or on absence.
 * All functions throw AppError store_unavailable.
 */
import { AppError } from '../shared/errors.js';
import type { RedisClient } from '../shared/redis.js';
import { defineScript, defineStrongScript } from '../shared/redis-calls.js';

export type Norm = 'nfc' | 'raw';
export type Credential = {
  userId: string;
  hash: string;
  version: string;
  norm: Norm;
  scopes: string;
  /** Id of the attempt that made the record or last changed its password. */
  attempt: string;
  gen: number;
  isActive: boolean;
};
export type NewCredential = {
  userId: string;
  hash: string;
  norm: Norm;
  scopes: string;
  attempt: string;
  status: 'active' | 'disabled';
};
export type Created =
  | { outcome: 'ok'; userId: string; scopes: string; gen: number }
  | { outcome: 'exists' };
export type Credentials = ReturnType<typeof createCredentials>;

/**
 * Reads account state and record in one moment. KEYS user, cred.
 * Returns {gen, status, hash, version, norm, user_id, scopes, attempt}, nil where absent.
 */
const findScript = {
  name: 'fgFindCredential',
  keys: 2,
  lua: `
local u = redis.call('HMGET', KEYS[1], 'gen', 'status')
local c = redis.call('HMGET', KEYS[2], 'hash', 'version', 'norm', 'user_id', 'scopes', 'attempt')
return {u[1], u[2], c[1], c[2], c[3], c[4], c[5], c[6]}`,
};

/**
 * Inserts a record if there is none; the same attempt finds its own write again. A generation left
 * by an earlier account of this name goes on, so that old tokens stay dead.
 * KEYS user, cred. ARGV hash, norm, user_id, scopes, attempt, status.
 * Returns {'ok', user_id, scopes, gen} or {'exists'}.
 */
const createScript = {
  name: 'fgCreateCredential',
  keys: 2,
  lua: `
if redis.call('EXISTS', KEYS[2]) == 1 then
  local c = redis.call('HMGET', KEYS[2], 'attempt', 'user_id', 'scopes')
  if c[1] ~= ARGV[5] then return {'exists'} end
  return {'ok', c[2], c[3], redis.call('HGET', KEYS[1], 'gen')}
end
redis.call('HSET', KEYS[2], 'hash', ARGV[1], 'version', '1', 'norm', ARGV[2],
  'user_id', ARGV[3], 'scopes', ARGV[4], 'attempt', ARGV[5])
local gen = redis.call('HINCRBY', KEYS[1], 'gen', 1)
redis.call('HSET', KEYS[1], 'status', ARGV[6], 'user_id', ARGV[3])
return {'ok', ARGV[3], ARGV[4], tostring(gen)}`,
};

/**
 * Replaces the hash if it is still the one that was verified; generation and attempt stay.
 * KEYS cred. ARGV old hash, old version, new hash, norm. Returns 1 or 0.
 */
const replaceScript = {
  name: 'fgReplaceHash',
  keys: 1,
  lua: `
local c = redis.call('HMGET', KEYS[1], 'hash', 'version')
if c[1] ~= ARGV[1] or c[2] ~= ARGV[2] then return 0 end
redis.call('HSET', KEYS[1], 'hash', ARGV[3], 'norm', ARGV[4],
  'version', string.format('%d', tonumber(c[2]) + 1))
return 1`,
};

/**
 * Changes the password and ends everything issued before, if the record is still the one that was
 * verified and the account is active; the same attempt finds its own write again.
 * KEYS user, cred. ARGV old hash, old version, new hash, norm, attempt. Returns the gen, or nil.
 */
const changeScript = {
  name: 'fgChangePassword',
  keys: 2,
  lua: `
local c = redis.call('HMGET', KEYS[2], 'hash', 'version', 'attempt')
local u = redis.call('HMGET', KEYS[1], 'gen', 'status')
if u[2] ~= 'active' then return false end
if c[3] == ARGV[5] then return u[1] end
if c[1] ~= ARGV[1] or c[2] ~= ARGV[2] then return false end
redis.call('HSET', KEYS[2], 'hash', ARGV[3], 'norm', ARGV[4], 'attempt', ARGV[5],
  'version', string.format('%d', tonumber(c[2]) + 1))
return tostring(redis.call('HINCRBY', KEYS[1], 'gen', 1))`,
};

const isRow = (value: unknown): value is (string | null)[] => Array.isArray(value);

const rowOf = (value: unknown): (string | null)[] => {
  if (!isRow(value)) throw new AppError('store_unavailable', { detail: 'unexpected answer' });
  return value;
};

export const createCredentials = ({ redis }: { redis: RedisClient }) => {
  const findRow = defineScript(redis, findScript);
  const createRow = defineStrongScript(redis, createScript);
  const replaceRow = defineScript(redis, replaceScript);
  const changeRow = defineStrongScript(redis, changeScript);
  const keysOf = (u: string): string[] => [`user:{${u}}`, `cred:{${u}}`];

  const find = async (u: string): Promise<Credential | undefined> => {
    const row = rowOf(await findRow(keysOf(u), []));
    const [gen, status, hash, version, norm, userId, scopes, attempt] = row;
    if (version == null) return undefined;
    return {
      userId: userId ?? '',
      hash: hash ?? '',
      version,
      norm: norm === 'nfc' ? 'nfc' : 'raw',
      scopes: scopes ?? '',
      attempt: attempt ?? '',
      gen: Number(gen ?? 0),
      isActive: status === 'active',
    };
  };

  /** Idempotent by attempt id. */
  const create = async (u: string, record: NewCredential): Promise<Created> => {
    const { hash, norm, userId, scopes, attempt, status } = record;
    const answer = await createRow(keysOf(u), [hash, norm, userId, scopes, attempt, status]);
    const [outcome, foundId, foundScopes, gen] = rowOf(answer);
    if (outcome !== 'ok') return { outcome: 'exists' };
    return { outcome, userId: foundId ?? '', scopes: foundScopes ?? '', gen: Number(gen ?? 0) };
  };

  /** For migration. False: the record is not what was verified any more; nothing was written. */
  const replaceHash = async (
    u: string,
    { hash, version }: Pick<Credential, 'hash' | 'version'>,
    newHash: string,
  ): Promise<boolean> => (await replaceRow([`cred:{${u}}`], [hash, version, newHash, 'nfc'])) === 1;

  /** The new generation; undefined when the record changed meanwhile. Idempotent by attempt id. */
  const changePassword = async (
    u: string,
    { hash, version }: Pick<Credential, 'hash' | 'version'>,
    change: { hash: string; attempt: string },
  ): Promise<number | undefined> => {
    const gen = await changeRow(keysOf(u), [hash, version, change.hash, 'nfc', change.attempt]);
    return typeof gen === 'string' ? Number(gen) : undefined;
  };

  return { find, create, replaceHash, changePassword };
};
