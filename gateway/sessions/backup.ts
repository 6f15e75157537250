/**
 * The backup store (BACKUP_REDIS_URL): a second Redis with the same keys for critical sessions and for
 * nothing else, so that the same scripts run on it. It also keeps a copy of the sealed keyring and of
 * the name key, without which no token of those sessions could be read. Each record carries the epoch of the
 * main store it was made beside. As long as that is the main store's epoch, the main store is the
 * authority and a record missing there has ended; with another epoch it has lost its data.
 * What ended leaves a mark, so that a copy that was under way cannot bring it back.
 */
import { AppError } from '../../shared/errors.js';
import type { RedisClient } from '../../shared/redis.js';
import {
  defineScript,
  defineStrongScript,
  evenWhenFull,
  patiently,
  storeCall,
} from '../../shared/redis-calls.js';
import { loadEpoch, nameKeyAt } from '../name-key.js';
import { keyringKey } from '../tokens/ring-store.js';
import { sessionKeys, userKey } from './account-keys.js';
import { splitId } from './session-id.js';

/** A late copy is a command under way: far less than this. */
const markMs = 3_600_000;

/**
 * Stores a copy unless it is older than what is here.
 * KEYS: user, session, index. ARGV: id, epoch, gen, generation, last used, ms left, max ms, then
 * field, value, … Returns 1, or 0 when the session has ended or the account has moved on.
 */
const putLua = `
local user = redis.call('HMGET', KEYS[1], 'gen', 'epoch')
local s = redis.call('HMGET', KEYS[2], 'ended', 'generation', 'epoch')
if s[1] then return 0 end
if user[2] == ARGV[2] and tonumber(user[1]) > tonumber(ARGV[3]) then return 0 end
if s[3] == ARGV[2] and tonumber(s[2]) > tonumber(ARGV[4]) then return 1 end
redis.call('HSET', KEYS[1], 'gen', ARGV[3], 'status', 'active', 'epoch', ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[7])
redis.call('HSET', KEYS[2], 'epoch', ARGV[2], unpack(ARGV, 8))
redis.call('PEXPIRE', KEYS[2], ARGV[6])
redis.call('ZADD', KEYS[3], ARGV[5], ARGV[1])
if redis.call('PTTL', KEYS[3]) < tonumber(ARGV[7]) then redis.call('PEXPIRE', KEYS[3], ARGV[7]) end
return 1`;

/**
 * KEYS: session, index. ARGV: id, ms to remember. Returns nothing. Repeatable.
 */
const markLua = `
redis.call('UNLINK', KEYS[1])
redis.call('HSET', KEYS[1], 'ended', 1)
redis.call('PEXPIRE', KEYS[1], ARGV[2])
redis.call('ZREM', KEYS[2], ARGV[1])`;

/**
 * Ends what was copied of an account so far. Beside a main store of another epoch the numbers of the two do
 * not compare, so whatever is here ends.
 * KEYS: user. ARGV: gen, epoch, status or ''. Returns nothing.
 */
const raiseLua = `
local user = redis.call('HMGET', KEYS[1], 'gen', 'epoch')
if not user[1] then return end
local gen = math.max(tonumber(ARGV[1]), tonumber(user[1]))
if user[2] ~= ARGV[2] then gen = user[1] + 1 end
redis.call('HSET', KEYS[1], 'gen', string.format('%d', gen))
if ARGV[3] ~= '' then redis.call('HSET', KEYS[1], 'status', ARGV[3]) end`;

/**
 * KEYS: user, of the main store. ARGV: gen. Returns nothing.
 */
const liftLua = `
if tonumber(redis.call('HGET', KEYS[1], 'gen') or 0) < tonumber(ARGV[1]) then
  redis.call('HSET', KEYS[1], 'gen', ARGV[1])
end`;

export type BackupStore = ReturnType<typeof createBackup>;

const keysOf = (sessionId: string): [string, string, string] => {
  const { u, id } = splitId(sessionId);
  return sessionKeys(u, id);
};

/**
 * Before the keyring is opened: a main store without keys takes the copies, so that a gateway that starts
 * beside an empty store reads the tokens it issued before. Throws store_unavailable when the main store has
 * lost one and the backup does not answer: a new keyring would end every critical session.
 */
export const restoreMeta = async (main: RedisClient, backup: RedisClient): Promise<void> => {
  // Each by itself: a gateway that outlived the loss may have put one of them back.
  for (const key of [nameKeyAt, keyringKey]) {
    if ((await patiently(() => storeCall(main.exists(key)))) === 1) continue;
    const copy = await patiently(() => storeCall(backup.get(key)));
    if (copy !== null) await storeCall(main.set(key, copy, 'NX'));
  }
};

/** All functions throw store_unavailable. */
export const createBackup = ({
  main,
  backup,
  maxMs,
}: {
  main: RedisClient;
  backup: RedisClient;
  maxMs: number;
}) => {
  const putScript = defineScript(backup, { name: 'backupPut', lua: putLua });
  const markScript = defineScript(backup, {
    name: 'backupEnd',
    lua: evenWhenFull(markLua),
  });
  const liftScript = defineStrongScript(main, {
    name: 'backupLift',
    lua: evenWhenFull(liftLua),
  });
  const raiseScript = defineScript(backup, {
    name: 'backupRaise',
    lua: evenWhenFull(raiseLua),
  });

  /** Keys rotate, and a token issued now may need the newest. The name key never does: the first is right. */
  const copyMeta = async (): Promise<void> => {
    const [keyring, nameKey] = await Promise.all([
      storeCall(main.get(keyringKey)),
      storeCall(main.get(nameKeyAt)),
    ]);
    if (keyring !== null) await storeCall(backup.set(keyringKey, keyring));
    if (nameKey !== null) await storeCall(backup.set(nameKeyAt, nameKey, 'NX'));
  };

  return {
    /** The longest life of a session. */
    maxMs,

    /**
     * Copies the record of the main store, with what it takes to read its tokens. False: it has ended, or
     * the account has moved on.
     */
    copy: async (sessionId: string): Promise<boolean> => {
      const [user, session, index] = keysOf(sessionId);
      const [record, leftMs, epoch] = await Promise.all([
        storeCall(main.hgetall(session)),
        storeCall(main.pttl(session)),
        loadEpoch(main),
      ]);
      const { gen, generation, last_used_at: usedAt } = record;
      if (gen === undefined || generation === undefined || usedAt === undefined || leftMs <= 0)
        return false;
      await copyMeta();
      const about = [splitId(sessionId).id, epoch, gen, generation, usedAt, leftMs, maxMs];
      const fields = Object.entries(record).flat();
      return (await putScript([user, session, index], [...about, ...fields])) === 1;
    },

    end: async (sessionIds: readonly string[]): Promise<void> => {
      const endOne = (sessionId: string) => {
        const [, session, index] = keysOf(sessionId);
        return markScript([session, index], [splitId(sessionId).id, markMs]);
      };
      await Promise.all(sessionIds.map(endOne));
    },

    /**
     * Everything of the account from before `gen` is dead. An account that may have no critical sessions
     * does not depend on this store: for it, only disabling tries, and a failure is no failure.
     */
    raise: async (u: string, gen: number, status?: 'disabled'): Promise<void> => {
      const [mayHave, epoch] = await Promise.all([
        storeCall(main.hexists(userKey(u), 'critical')),
        loadEpoch(main),
      ]);
      if (mayHave === 0 && status === undefined) return;
      const raised = raiseScript([userKey(u)], [gen, epoch, status ?? '']);
      await (mayHave === 0 ? raised.catch(() => {}) : raised);
    },

    /**
     * A generation of this store is about to be in the log that all edges go by: the account's numbers in a
     * new main store go on from there, or whoever signs in next would be dead at once.
     */
    lift: async (u: string, gen: number): Promise<void> => {
      await liftScript([userKey(u)], [gen]);
    },

    /** Whether the session is alive here and the main store that it was made beside is no more. */
    isOrphan: async (sessionId: string): Promise<boolean> => {
      const [, session] = keysOf(sessionId);
      const [madeBeside, epoch] = await Promise.all([
        storeCall(backup.hget(session, 'epoch')),
        loadEpoch(main),
      ]);
      return madeBeside !== null && madeBeside !== epoch;
    },

    /** For a token check when the revocation log is silent: throws session_ended when it is dead. */
    check: async ({ sid, sub, gen }: { sid: string; sub: string; gen: number }): Promise<void> => {
      const [userKey, sessionKey] = keysOf(sid);
      const [session, user] = await Promise.all([
        storeCall(backup.hmget(sessionKey, 'user_id', 'gen')),
        storeCall(backup.hmget(userKey, 'gen', 'status')),
      ]);
      const wanted = [sub, String(gen), String(gen), 'active'];
      if ([...session, ...user].some((value, i) => value !== wanted[i]))
        throw new AppError('session_ended');
    },
  };
};
