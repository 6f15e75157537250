/**
 * Sessions of browsers. A cookie seen before is answered from memory until the revocation log says
 * otherwise, but never longer than the log remembers; the store (cookie-store.ts), which is the
 * authority, is asked again in between and learns that the session is in use.
 */
import { AppError, passOver } from '../../shared/errors.js';
import { createCache } from '../cache.js';
import type { Revocations } from '../tokens/revocations.js';
import { hashSecret, newSecret, setCookie } from './cookie.js';
import type { CookieClaims, CookieStore } from './cookie-store.js';
import { splitId } from './session-id.js';

/** The log remembers 16 minutes (revocations.ts): whatever is older than this must ask the store. */
const recheckMs = 600_000;
/** After a touch that failed; the session goes on meanwhile. */
const retryMs = 5000;
/** Unknown cookies that may be on their way to the store. */
const maxAsking = 512;

type Known = { claims: CookieClaims; touchAt: number; until: number };

export type IssuedCookie = ReturnType<CookieSessions['issue']>;
export type CookieSessions = ReturnType<typeof createCookieSessions>;

export const createCookieSessions = ({
  store,
  revocations,
  maxMs,
  cacheSize = 10_000,
  now = () => performance.now(),
}: {
  store: CookieStore;
  revocations: Pick<Revocations, 'check' | 'onGap' | 'publish'>;
  maxMs: number;
  cacheSize?: number;
  /** Monotonic milliseconds. */
  now?: () => number;
}) => {
  const cache = createCache<Known>(cacheSize);
  const asking = new Map<string, Promise<CookieClaims>>();
  const counts = { hits: 0, misses: 0 };
  let gaps = 0;
  revocations.onGap(() => {
    gaps++;
    cache.clear();
  });

  /** What the store says now. Throws token_invalid, session_ended, store_unavailable. */
  const read = async (cookie: string): Promise<{ claims: CookieClaims; leftMs: number }> => {
    const state = await store.check(cookie);
    if (state.outcome === 'ok') return state;
    cache.delete(cookie);
    // Again: whoever changed the password may have got a 503 because the edges could not be told.
    if (state.outcome === 'stale')
      await revocations.publish({ kind: 'user', id: splitId(cookie).u, gen: state.gen });
    throw new AppError(state.outcome === 'invalid' ? 'token_invalid' : 'session_ended');
  };

  const ask = async (cookie: string): Promise<CookieClaims> => {
    const [at, gapsBefore] = [now(), gaps];
    const { claims, leftMs } = await read(cookie);
    if (revocations.check(claims) === 'ended') throw new AppError('session_ended');
    // What was read before a gap of the log may have ended unheard.
    if (gaps === gapsBefore)
      cache.set(cookie, {
        claims,
        touchAt: at + store.noteMs,
        until: at + Math.min(leftMs, recheckMs),
      });
    return claims;
  };

  const askOnce = (cookie: string): Promise<CookieClaims> => {
    const running = asking.get(cookie);
    if (running !== undefined) return running;
    if (asking.size >= maxAsking)
      return Promise.reject(
        new AppError('temporarily_unavailable', { detail: 'too many unknown cookies' }),
      );
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
     * Who this is: at once when known, else as a promise. Throws token_invalid, session_ended,
     * store_unavailable, or temporarily_unavailable when too many that nobody knows are being asked about; a
     * lost log alone only makes the store be asked.
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
    checkForLogout: async (cookie: string): Promise<CookieClaims | undefined> =>
      (await read(cookie).catch(passOver('session_ended')))?.claims,

    /** Answers from memory and from the store since the start, and how many are in memory. */
    stats: () => ({ ...counts, size: cache.size }),
  };
};
