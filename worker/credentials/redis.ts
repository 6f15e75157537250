/**
 * Password records in Redis, beside the account state. Owns `cred:{u}` (hash, version, norm, user_id,
 * scopes, attempt, name, imported) and writes `user:{u}` (gen, status, user_id). `imported` is the
 * version that the last import wrote: while they are equal, the hash is still the imported one.
 */
import { AppError } from '../../shared/errors.js';
import type { RedisClient } from '../../shared/redis.js';
import { defineBatch } from '../../shared/redis-batch.js';
import { defineScript, defineStrongScript } from '../../shared/redis-calls.js';
import type { Created, Credential, Credentials, ImportRule, NewCredential } from './credentials.js';
import { scanRecords } from './redis-scan.js';

/**
 * Reads account state and record in one moment. KEYS user, cred.
 * Returns {gen, status, hash, version, norm, user_id, scopes, attempt, name}, nil where absent.
 */
const findScript = {
  name: 'fgFindCredential',
  keys: 2,
  lua: `
local u = redis.call('HMGET', KEYS[1], 'gen', 'status')
local c = redis.call('HMGET', KEYS[2], 'hash', 'version', 'norm', 'user_id', 'scopes', 'attempt',
  'name')
return {u[1], u[2], c[1], c[2], c[3], c[4], c[5], c[6], c[7]}`,
};

/**
 * Inserts a record if there is none; the same attempt finds its own write again. A generation left
 * by an earlier account of this name goes on, so that old tokens stay dead. Rule replace-imported also
 * replaces what an import wrote and nobody changed since; another hash ends what was issued before. Whom
 * an operator disabled, no import enables.
 * KEYS user, cred. ARGV hash, norm, user_id, scopes, attempt, status, name, rule (own = no import).
 * Returns the gen of a record that is as given, which nearly all are; {user_id, scopes, gen} of one that
 * was there before; nil where another one stays.
 */
const createScript = {
  name: 'fgCreateCredential',
  keys: 2,
  lua: `
local c = redis.call('HMGET', KEYS[2], 'version', 'attempt', 'user_id', 'scopes', 'imported', 'hash')
local version, id, isNew, status = 1, ARGV[3], true, ARGV[6]
if c[1] then
  if c[2] == ARGV[5] then return {c[3], c[4], redis.call('HGET', KEYS[1], 'gen')} end
  if ARGV[8] ~= 'replace-imported' or c[5] ~= c[1] then return false end
  version, id, isNew = tonumber(c[1]) + 1, c[3], c[6] ~= ARGV[1]
  if redis.call('HGET', KEYS[1], 'status') == 'disabled' then status = 'disabled' end
end
version = string.format('%d', version)
local imported = ARGV[8] ~= 'own' and {'imported', version} or {}
redis.call('HSET', KEYS[2], 'hash', ARGV[1], 'version', version, 'norm', ARGV[2], 'user_id', id,
  'scopes', ARGV[4], 'attempt', ARGV[5], 'name', ARGV[7], unpack(imported))
local gen = tonumber(redis.call('HGET', KEYS[1], 'gen') or 0) + (isNew and 1 or 0)
gen = string.format('%d', gen)
redis.call('HSET', KEYS[1], 'gen', gen, 'status', status, 'user_id', id)
return id == ARGV[3] and gen or {id, ARGV[4], gen}`,
};

/**
 * Replaces the hash if it is still the one that was verified; generation and attempt stay. Strong: a
 * repeat after a failover that undid it would be a second write for whoever had seen the first.
 * KEYS cred. ARGV old hash, old version, new hash, norm. Returns 1 or 0.
 */
const replaceScript = {
  name: 'fgReplaceHash',
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

/** KEYS cred. ARGV scopes. Returns 1, or 0 without a record. */
const scopesScript = {
  name: 'fgSetScopes',
  lua: `
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
redis.call('HSET', KEYS[1], 'scopes', ARGV[1])
return 1`,
};

/** Ends the account and everything issued for it. KEYS user, cred. Returns 1, or 0 when that was done. */
const removeScript = {
  name: 'fgRemoveCredential',
  lua: `
local status = redis.call('HGET', KEYS[1], 'status')
if redis.call('DEL', KEYS[2]) == 0 and (not status or status == 'deleted') then return 0 end
redis.call('HINCRBY', KEYS[1], 'gen', 1)
redis.call('HSET', KEYS[1], 'status', 'deleted')
redis.call('HDEL', KEYS[1], 'critical')
return 1`,
};

const isRow = (value: unknown): value is (string | null)[] => Array.isArray(value);

const rowOf = (value: unknown): (string | null)[] => {
  if (!isRow(value)) throw new AppError('store_unavailable', { detail: 'unexpected answer' });
  return value;
};

const readCredential = (value: unknown): Credential | undefined => {
  const [gen, status, hash, version, norm, userId, scopes, attempt, name] = rowOf(value);
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
    pending: '',
    name: name ?? '',
  };
};

const readCreated = (value: unknown, given: NewCredential): Created => {
  if (value === null) return { outcome: 'exists' };
  if (typeof value === 'string')
    return { outcome: 'ok', userId: given.userId, scopes: given.scopes, gen: Number(value) };
  const [userId, scopes, gen] = rowOf(value);
  return { outcome: 'ok', userId: userId ?? '', scopes: scopes ?? '', gen: Number(gen ?? 0) };
};

const keysOf = (u: string): string[] => [`user:{${u}}`, `cred:{${u}}`];

const argsOf = (record: NewCredential, rule: ImportRule | 'own'): string[] => {
  const { hash, norm, userId, scopes, attempt, status, name } = record;
  return [hash, norm, userId, scopes, attempt, status, name, rule];
};

export const createRedisCredentials = ({ redis }: { redis: RedisClient }): Credentials => {
  const findRow = defineScript(redis, findScript);
  const findRows = defineBatch(redis, findScript);
  const createRow = defineStrongScript(redis, createScript);
  const createRows = defineBatch(redis, createScript, { isStrong: true });
  const replaceRow = defineStrongScript(redis, replaceScript);
  const changeRow = defineStrongScript(redis, changeScript);
  const setRowScopes = defineStrongScript(redis, scopesScript);
  const removeRow = defineStrongScript(redis, removeScript);

  return {
    norm: 'nfc',

    find: async (u) => readCredential(await findRow(keysOf(u), [])),

    findMany: async (rows) =>
      (await findRows(rows.map(({ u }) => ({ keys: keysOf(u), args: [] })))).map(readCredential),

    create: async (u, record) =>
      readCreated(await createRow(keysOf(u), argsOf(record, 'own')), record),

    createMany: async (rows, rule) => {
      const calls = rows.map(({ u, record }) => ({ keys: keysOf(u), args: argsOf(record, rule) }));
      const made = await createRows(calls);
      return rows.map(({ record }, at) => readCreated(made[at], record));
    },

    replaceHash: async (u, { hash, version }, newHash, norm) =>
      (await replaceRow([`cred:{${u}}`], [hash, version, newHash, norm])) === 1,

    changePassword: async (u, { hash, version }, change) => {
      const gen = await changeRow(keysOf(u), [hash, version, change.hash, 'nfc', change.attempt]);
      return typeof gen === 'string' ? Number(gen) : undefined;
    },

    /** Record and state are one script: nothing is ever pending. */
    settle: async () => undefined,

    setScopes: async (u, scopes) => (await setRowScopes([`cred:{${u}}`], [scopes])) === 1,

    /** Record and state are lost together. */
    setStatus: async () => undefined,

    remove: async (u) => (await removeRow(keysOf(u), [])) === 1,

    scan: async (cursor, limit) => {
      const page = await scanRecords(redis, cursor, limit);
      const found = await findRows(page.us.map((u) => ({ keys: keysOf(u), args: [] })));
      const rows = page.us.flatMap((u, i) => {
        const credential = readCredential(found[i]);
        return credential === undefined ? [] : [{ u, credential }];
      });
      return { cursor: page.cursor, rows };
    },
  };
};
