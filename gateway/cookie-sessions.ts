/**
 * Sessions of browsers: the cookie's secret is stored as a hash in the session record, beside the
 * generation of the account that it was made for (`cookie` = `<gen>.<hash>`), so a password change kills
 * it with everything else. A cookie seen before is answered from memory until the revocation log says
 * otherwise, but never longer than the log remembers; the store, which is the authority, is asked again
 * in between and learns that the session is in use. sessions.ts owns the record and its end.
 */
import { AppError, codeOf } from '../shared/errors.js';
import type { RedisClient } from '../shared/redis.js';
import { defineScript } from '../shared/redis-calls.js';
import { createCache } from './cache.js';
import { hashSecret, newSecret, parseCookie, setCookie } from './cookie.js';
import { shorten, spread } from './session-id.js';
import type { Revocations } from './tokens/revocations.js';
import type { Claims } from './tokens/verify.js';

/**
 * Checks a cookie and notes the use of its session, at most once in a while.
 * KEYS: user, session, index. ARGV: id, hash of the secret, idle ms, touch ms.
 * Returns { outcome, user_id, gen, scope, client_id, created_at, ends_at, ms left }; outcomes: ok, invalid, ended,
 * stale (the account changed since; then gen is the account's).
 */
const checkLua = `
local s = redis.call('HMGET', KEYS[2], 'cookie', 'user_id', 'gen', 'scope', 'client_id',
  'last_used_at', 'ends_at', 'created_at')
if not s[2] then return { 'ended' } end
local gen, hash = string.match(s[1] or '', '^(%d+)%.(.+)$')
if hash ~= ARGV[2] then return { 'invalid' } end
local user = redis.call('HMGET', KEYS[1], 'gen', 'status')
if user[1] ~= gen or s[3] ~= gen or user[2] ~= 'active' then
  return { 'stale', s[2], user[1] or '0' }
end
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local idle, left, used = tonumber(ARGV[3]), s[7] - now, tonumber(s[6])
if left <= 0 or now - used >= idle then
  redis.call('UNLINK', KEYS[2])
  redis.call('ZREM', KEYS[3], ARGV[1])
  return { 'ended' }
end
if now - used >= tonumber(ARGV[4]) then
  used = now
  redis.call('HSET', KEYS[2], 'last_used_at', now)
  redis.call('PEXPIRE', KEYS[2], math.min(idle, left))
  redis.call('ZADD', KEYS[3], 'XX', now, ARGV[1])
end
return { 'ok', s[2], s[3], s[4], s[5], s[8], s[7], math.min(left, idle - (now - used)) }`;

/**
 * A new secret for a session of this generation; every older one is dead.
 * KEYS: session. ARGV: gen, hash. Returns 1, or nil when the session is gone or of another generation.
 */
const renewLua = `
if redis.call('HGET', KEYS[1], 'gen') ~= ARGV[1] then return nil end
redis.call('HSET', KEYS[1], 'cookie', ARGV[1] .. '.' .. ARGV[2])
return 1`;

/** The log remembers 16 minutes (revocations.ts): whatever is older than this must ask the store. */
const recheckMs = 600_000;
const touchEveryMs = 60_000;
/** After a touch that failed; the session goes on meanwhile. */
const retryMs = 5000;
/** Unknown cookies that may be on their way to the store. */
const maxAsking = 512;

export type CookieClaims = Claims & { readonly isCookie: true };
type Known = { claims: CookieClaims; touchAt: number; until: number };

export type IssuedCookie = ReturnType<CookieSessions['issue']>;
export type CookieSessions = ReturnType<typeof createCookieSessions>;

const toSeconds = (ms: string | undefined): number => Math.floor(Number(ms) / 1000);

const readClaims = (cookie: string, reply: readonly string[]): CookieClaims => {
  const [, sub = '', gen, scope = '', clientId = '', createdAt, endsAt] = reply;
  const sid = cookie.slice(0, 45);
  const who = { sub, sid, gen: Number(gen), scope, clientId, u: sid.slice(0, 22) };
  const times = { iat: toSeconds(createdAt), exp: toSeconds(endsAt) };
  // What an access token of this session would have, but for what is of tokens only.
  return { ...who, ...times, jti: '', kid: '', aud: '', isCookie: true };
};

export const createCookieSessions = ({
  redis,
  revocations,
  idleMs,
  maxMs,
  cacheSize = 10_000,
  now = () => performance.now(),
}: {
  redis: RedisClient;
  revocations: Pick<Revocations, 'check' | 'onGap' | 'publish'>;
  idleMs: number;
  maxMs: number;
  cacheSize?: number;
  /** Monotonic milliseconds. */
  now?: () => number;
}) => {
  const checkScript = defineScript(redis, { name: 'cookieCheck', keys: 3, lua: checkLua });
  const renewScript = defineScript(redis, { name: 'cookieRenew', keys: 1, lua: renewLua });
  const cache = createCache<Known>(cacheSize);
  const asking = new Map<string, Promise<CookieClaims>>();
  const counts = { hits: 0, misses: 0 };
  const touchMs = Math.min(touchEveryMs, idleMs / 4);
  let gaps = 0;
  revocations.onGap(() => {
    gaps++;
    cache.clear();
  });

  /** What the store says now. Throws token_invalid, session_ended, store_unavailable. */
  const read = async (cookie: string): Promise<{ claims: CookieClaims; leftMs: number }> => {
    const { u, id, secret } = parseCookie(cookie);
    const keys = [`user:{${u}}`, `sess:{${u}}:${id}`, `idx:{${u}}`];
    const reply = await checkScript(keys, [
      id,
      hashSecret(secret),
      shorten(id, idleMs, spread),
      touchMs,
    ]);
    const texts = Array.isArray(reply) ? reply.map(String) : [];
    if (texts[0] === 'ok') return { claims: readClaims(cookie, texts), leftMs: Number(texts[7]) };
    cache.delete(cookie);
    // Again: whoever changed the password may have got a 503 because the edges could not be told.
    if (texts[0] === 'stale')
      await revocations.publish({ kind: 'user', id: u, gen: Number(texts[2]) });
    throw new AppError(texts[0] === 'invalid' ? 'token_invalid' : 'session_ended');
  };

  const ask = async (cookie: string): Promise<CookieClaims> => {
    const [at, gapsBefore] = [now(), gaps];
    const { claims, leftMs } = await read(cookie);
    if (revocations.check(claims) === 'ended') throw new AppError('session_ended');
    // What was read before a gap of the log may have ended unheard.
    if (gaps === gapsBefore)
      cache.set(cookie, { claims, touchAt: at + touchMs, until: at + Math.min(leftMs, recheckMs) });
    return claims;
  };

  const askOnce = (cookie: string): Promise<CookieClaims> => {
    const running = asking.get(cookie);
    if (running !== undefined) return running;
    if (asking.size >= maxAsking) throw new AppError('overloaded', { detail: 'unknown cookies' });
    counts.misses++;
    const asked = ask(cookie).finally(() => asking.delete(cookie));
    asking.set(cookie, asked);
    return asked;
  };

  return {
    /** What a session record needs of a new cookie, and the header that hands it out. */
    issue: () => {
      const secret = newSecret();
      return {
        hash: hashSecret(secret),
        headersFor: (sessionId: string) => setCookie(sessionId, secret, maxMs),
      };
    },

    /**
     * Who this is: at once when known, else as a promise. Throws token_invalid, session_ended, or
     * store_unavailable; a lost log alone only makes the store be asked.
     */
    check: (cookie: string): CookieClaims | Promise<CookieClaims> => {
      const known = cache.get(cookie);
      const at = now();
      if (known === undefined || at >= known.until || revocations.check(known.claims) !== 'ok')
        return askOnce(cookie);
      counts.hits++;
      if (at >= known.touchAt) {
        known.touchAt = at + retryMs;
        askOnce(cookie).catch(() => {});
      }
      return known.claims;
    },

    /**
     * The same for logout, which must be repeatable: undefined when the session is over; never from
     * memory, and an entry of the log does not count, because the record may still be there.
     */
    checkForLogout: async (cookie: string): Promise<CookieClaims | undefined> => {
      try {
        return (await read(cookie)).claims;
      } catch (error) {
        if (codeOf(error) === 'session_ended') return undefined;
        throw error;
      }
    },

    /**
     * After a password change to `gen`: the header with a new cookie for the session, which must have
     * gone over to `gen` before. Throws session_ended and store_unavailable.
     */
    renew: async (sessionId: string, gen: number): Promise<Record<string, string>> => {
      const secret = newSecret();
      const key = `sess:{${sessionId.slice(0, 22)}}:${sessionId.slice(23)}`;
      if ((await renewScript([key], [gen, hashSecret(secret)])) !== 1)
        throw new AppError('session_ended');
      return setCookie(sessionId, secret, maxMs);
    },

    /** Answers from memory and from the store since the start, and how many are in memory. */
    stats: () => ({ ...counts, size: cache.size }),
  };
};
