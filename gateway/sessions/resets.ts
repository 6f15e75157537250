/**
 * Reset tokens: `<u>.<256 random bits>`, good for 30 minutes and for one password. The store has only
 * a hash (`reset:{u}`, under the account's tag), so one token per account: a new one voids the old, and
 * so does whatever ends all that was issued for the account: a new password, disabling, its deletion. The
 * first use binds the token to the password it was shown with; that same request may be repeated when its
 * answer was lost, any other use is refused.
 */
import { createHash, createHmac, randomBytes } from 'node:crypto';
import type { RedisClient } from '../../shared/redis.js';
import { defineScript, defineStrongScript } from '../../shared/redis-calls.js';
import { resetKey, userKey } from './account-keys.js';

export const resetMs = 30 * 60_000;

/**
 * KEYS: reset, user. ARGV: hash of the token, ms to live. Returns 1, or 0 when there is no such account.
 */
const issueLua = `
local gen = redis.call('HGET', KEYS[2], 'gen')
if not gen then return 0 end
redis.call('UNLINK', KEYS[1])
redis.call('HSET', KEYS[1], 'hash', ARGV[1], 'for', gen)
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1`;

/**
 * KEYS: reset, user. ARGV: hash of the token, print of the password.
 * Returns nil when the token may not be used, { gen at the first use, gen it led to or '' }. The first
 * use must find the account as it was at the issue (`for`).
 */
const claimLua = `
local r = redis.call('HMGET', KEYS[1], 'hash', 'print', 'gen', 'done', 'for')
if r[1] ~= ARGV[1] or (r[2] and r[2] ~= ARGV[2]) then return nil end
if r[2] then return { r[3], r[4] or '' } end
local gen = redis.call('HGET', KEYS[2], 'gen')
if not gen or r[5] ~= gen then return nil end
redis.call('HSET', KEYS[1], 'print', ARGV[2], 'gen', gen)
return { gen, '' }`;

/**
 * KEYS: reset, user. ARGV: hash of the token, 'open' (not used after all), 'void' or the gen it led to.
 * Returns nothing; changes nothing when there is another token by now. An earlier try with this token may
 * have been written, or may yet be: the first has moved the account on, which opens nothing, and the
 * second finds the same gen as whatever comes after it, so that only one of them is written.
 */
const settleLua = `
if redis.call('HGET', KEYS[1], 'hash') ~= ARGV[1] then return end
if ARGV[2] == 'open' then
  if redis.call('HGET', KEYS[1], 'gen') == redis.call('HGET', KEYS[2], 'gen') then
    redis.call('HDEL', KEYS[1], 'print', 'gen')
  end
elseif ARGV[2] == 'void' then redis.call('UNLINK', KEYS[1])
else redis.call('HSET', KEYS[1], 'done', ARGV[2]) end`;

const form = /^([\w-]{22})\.([\w-]{43})$/;

export type Claim = {
  u: string;
  /** The account's generation when the token was first shown. */
  gen: number;
  /** The generation that the new password led to, when that is known already. */
  done: number | undefined;
  /** The same for every repeat of this request, and for no other. */
  attemptId: string;
};

export type Resets = ReturnType<typeof createResets>;

const hashOf = (token: string): string => createHash('sha256').update(token).digest('base64url');

/** Tells one password from another for whoever has the token, and nothing to whoever reads the store. */
const printOf = (purpose: string, token: string, password: string): string =>
  createHmac('sha256', token).update(`${purpose}\n${password}`).digest('base64url');

/** All functions throw store_unavailable. */
export const createResets = ({ redis }: { redis: RedisClient }) => {
  const issueScript = defineScript(redis, { name: 'resetIssue', lua: issueLua });
  const claimScript = defineStrongScript(redis, { name: 'resetClaim', lua: claimLua });
  const settleScript = defineScript(redis, { name: 'resetSettle', lua: settleLua });
  const settle = async (token: string, how: string | number): Promise<void> => {
    const [, u = ''] = form.exec(token) ?? [];
    await settleScript([resetKey(u), userKey(u)], [hashOf(token), how]);
  };

  return {
    /** A new token for the account, or undefined when there is none. */
    issue: async (u: string): Promise<string | undefined> => {
      const token = `${u}.${randomBytes(32).toString('base64url')}`;
      const issued = await issueScript([resetKey(u), userKey(u)], [hashOf(token), resetMs]);
      return issued === 1 ? token : undefined;
    },

    /** Binds the token to this password; undefined when it may not be used (any more). */
    claim: async (token: string, password: string): Promise<Claim | undefined> => {
      const [, u] = form.exec(token) ?? [];
      if (u === undefined) return undefined;
      const print = printOf('claim', token, password);
      const reply = await claimScript([resetKey(u), userKey(u)], [hashOf(token), print]);
      if (!Array.isArray(reply)) return undefined;
      const [gen, done] = reply.map(String);
      const attemptId = printOf('attempt', token, password).slice(0, 22);
      return { u, gen: Number(gen), done: done === '' ? undefined : Number(done), attemptId };
    },

    /** This try certainly set no password: unless an earlier one did, the token may be used with another. */
    reopen: (token: string): Promise<void> => settle(token, 'open'),
    /** It led to this generation. */
    finish: (token: string, gen: number): Promise<void> => settle(token, gen),
    discard: (token: string): Promise<void> => settle(token, 'void'),
  };
};
