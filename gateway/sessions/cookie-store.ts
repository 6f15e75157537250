/**
 * Cookies in a store: the one of every session (sessions.ts writes the record), or the backup with its copies
 * of critical ones. The secret is there as a hash, beside the generation of the account that it was made
 * for (`cookie` = `<gen>.<hash>`), so a password change kills it with everything else.
 */
import type { RedisClient } from '../../shared/redis.js';
import { defineScript, evenWhenFull, nowLua } from '../../shared/redis-calls.js';
import type { Claims } from '../tokens/verify.js';
import { sessionKeys } from './account-keys.js';
import { hashSecret, parseCookie } from './cookie.js';
import { shorten, splitId, spread } from './session-id.js';

/**
 * Checks a cookie and notes the use of its session, at most once in a while.
 * KEYS: user, session, index. ARGV: id, hash of the secret, idle ms, touch ms.
 * Returns { outcome, user_id, gen, scope, client_id, created_at, ends_at, ms left, 1 if noted }; outcomes: ok,
 * invalid, ended, stale (the account changed since; then gen is the account's).
 */
const checkLua = `
local s = redis.call('HMGET', KEYS[2], 'cookie', 'user_id', 'gen', 'scope', 'client_id',
  'last_used_at', 'ends_at', 'created_at', 'cookie_before')
if not s[2] then return { 'ended' } end
local function read(cookie) return string.match(cookie or '', '^(%d+)%.(.+)$') end
local gen, hash = read(s[1])
if hash ~= ARGV[2] then gen, hash = read(s[9]) end
if hash ~= ARGV[2] then return { 'invalid' } end
local user = redis.call('HMGET', KEYS[1], 'gen', 'status')
if user[1] ~= gen or s[3] ~= gen or user[2] ~= 'active' then
  return { 'stale', s[2], user[1] or '0' }
end
${nowLua}
local idle, left, used = tonumber(ARGV[3]), s[7] - now, tonumber(s[6])
if left <= 0 or now - used >= idle then
  redis.call('UNLINK', KEYS[2])
  redis.call('ZREM', KEYS[3], ARGV[1])
  return { 'ended' }
end
local noted = now - used >= tonumber(ARGV[4]) and 1 or 0
if noted == 1 then
  used = now
  redis.call('HSET', KEYS[2], 'last_used_at', now)
  redis.call('PEXPIRE', KEYS[2], math.min(idle, left))
  redis.call('ZADD', KEYS[3], 'XX', now, ARGV[1])
end
return { 'ok', s[2], s[3], s[4], s[5], s[8], s[7], math.min(left, idle - (now - used)),
  noted }`;

export type CookieClaims = Claims & { readonly isCookie: true };
/** `isNoted`: the use of the session has been written down; `leftMs`: how long it may go on unused. */
type CookieState =
  | { outcome: 'ok'; claims: CookieClaims; leftMs: number; isNoted: boolean }
  | { outcome: 'stale'; gen: number }
  | { outcome: 'invalid' | 'ended' };
export type CookieStore = ReturnType<typeof createCookieStore>;

const noteEveryMs = 60_000;

const toSeconds = (ms: string | undefined): number => Math.floor(Number(ms) / 1000);

const readClaims = (sid: string, reply: readonly string[]): CookieClaims => {
  const [, sub = '', gen, scope = '', clientId = '', createdAt, endsAt] = reply;
  const who = { sub, sid, gen: Number(gen), scope, clientId, u: splitId(sid).u };
  const times = { iat: toSeconds(createdAt), exp: toSeconds(endsAt) };
  // What an access token of this session would have, but for what is of tokens only.
  return { ...who, ...times, jti: '', kid: '', aud: '', isCookie: true };
};

export const createCookieStore = ({ redis, idleMs }: { redis: RedisClient; idleMs: number }) => {
  const noteMs = Math.min(noteEveryMs, idleMs / 4);
  const checkScript = defineScript(redis, {
    name: 'cookieCheck',
    lua: evenWhenFull(checkLua),
  });

  return {
    /** A use is written down when the last one is older than this. */
    noteMs,

    /** What the store says now. Throws token_invalid for what is no cookie, and store_unavailable. */
    check: async (cookie: string): Promise<CookieState> => {
      const { u, id, secret } = parseCookie(cookie);
      const keys = sessionKeys(u, id);
      const limits = [shorten(id, idleMs, spread), noteMs];
      const reply = await checkScript(keys, [id, hashSecret(secret), ...limits]);
      const texts = Array.isArray(reply) ? reply.map(String) : [];
      const [outcome, , gen] = texts;
      if (outcome === 'stale') return { outcome, gen: Number(gen) };
      if (outcome !== 'ok') return { outcome: outcome === 'invalid' ? outcome : 'ended' };
      const claims = readClaims(`${u}.${id}`, texts);
      return { outcome, claims, leftMs: Number(texts[7]), isNoted: texts[8] === '1' };
    },
  };
};
