/**
 * Checks access tokens. A token seen before costs one lookup in a bounded cache and one local look at
 * the revocation log, and is answered synchronously: this is the hottest path of an edge. A new one goes
 * through `parse.ts` (one spelling only), the signature (jose, off the main thread) and claim rules of
 * our own, then through the same revocation check. Negative results are not cached.
 */
import { errors as joseErrors, jwtVerify } from 'jose';
import { LRUCache } from 'lru-cache';
import { AppError } from '../../shared/errors.js';
import type { VerifyingKey } from './keys.js';
import { parseHeader } from './parse.js';
import type { Revocations } from './revocations.js';

/** How far the clocks of two gateways may be apart. */
const skewSeconds = 60;
/** An unknown key id makes us read the keyring again, at most this often. */
const reloadMs = 30_000;
/** More signature checks than this wait their turn: a crowd of new tokens is spread over many turns
 *  of the event loop, and log writes do not queue behind them in the thread pool. */
const maxChecks = 16;
/** About 100 ms of signature checks; whoever comes later is told to come again. */
const maxWaiting = 512;

export type Claims = {
  readonly sub: string;
  readonly sid: string;
  readonly gen: number;
  readonly scope: string;
  readonly clientId: string;
  readonly jti: string;
  /** Seconds since 1970. */
  readonly exp: number;
  /** The account key: the part of `sid` before the dot. */
  readonly u: string;
  readonly kid: string;
};

export type Verifier = ReturnType<typeof createVerify>;

const sessionId = /^[\w-]{22}\.[\w-]{22}$/;

const isText = (value: unknown): value is string => typeof value === 'string' && value !== '';
/** Whole seconds up to the year 5138: no fractions, no 1e308, no text. */
const isTime = (value: unknown): value is number =>
  Number.isSafeInteger(value) && Number(value) >= 0 && Number(value) < 1e11;

const invalid = (detail: string) => new AppError('token_invalid', { detail });

/** Runs at most `limit` of the given tasks at a time, the others in order of arrival; refuses what
 *  would have to wait behind too many. */
const createGate = (limit: number) => {
  const waiting: (() => void)[] = [];
  let running = 0;
  return async <T>(task: () => Promise<T>): Promise<T> => {
    if (waiting.length >= maxWaiting) throw new AppError('overloaded', { detail: 'new tokens' });
    if (running >= limit) await new Promise<void>((resolve) => waiting.push(resolve));
    else running++;
    try {
      return await task();
    } finally {
      // The place goes straight to the next one, so nobody can slip in between.
      const next = waiting.shift();
      if (next === undefined) running--;
      else next();
    }
  };
};

/** jose has checked signature, typ, iss, aud and exp; the rest of RFC 9068 and our own claims. */
const readClaims = (
  payload: Readonly<Record<string, unknown>>,
  { kid, maxLifeSeconds, nowSeconds }: { kid: string; maxLifeSeconds: number; nowSeconds: number },
): Claims => {
  const { sub, sid, gen, scope, client_id: clientId, jti, exp, iat, nbf, aud } = payload;
  if (!isTime(exp) || !isTime(iat)) throw invalid('exp or iat');
  if (exp <= iat || exp - iat > maxLifeSeconds) throw invalid('life');
  if (iat > nowSeconds + skewSeconds) throw invalid('iat in the future');
  if (nbf !== undefined && (!isTime(nbf) || nbf > nowSeconds + skewSeconds)) throw invalid('nbf');
  if (!isText(sub) || !isText(jti) || !isText(clientId)) throw invalid('sub, jti or client_id');
  if (typeof aud !== 'string') throw invalid('aud');
  if (typeof sid !== 'string' || !sessionId.test(sid)) throw invalid('sid');
  if (!Number.isSafeInteger(gen) || typeof gen !== 'number') throw invalid('gen');
  if (typeof scope !== 'string') throw invalid('scope');
  return { sub, sid, gen, scope, clientId, jti, exp, u: sid.slice(0, 22), kid };
};

export const createVerify = ({
  keys,
  issuer,
  audience,
  maxLifeSeconds,
  revocations,
  whenUnknown,
  cacheSize = 10_000,
  now = Date.now,
}: {
  keys: { verifying: ReadonlyMap<string, VerifyingKey>; reload: () => Promise<void> };
  issuer: string;
  audience: string;
  maxLifeSeconds: number;
  revocations: Pick<Revocations, 'check' | 'checkButSession' | 'onGap'>;
  /** Another authority for some tokens while the log is silent; undefined = none for this one. */
  whenUnknown?: ((claims: Claims) => Promise<Claims> | undefined) | undefined;
  cacheSize?: number;
  now?: () => number;
}) => {
  const cache = new LRUCache<string, Claims>({ max: cacheSize });
  /** New tokens being checked: a burst with one new token costs one signature check. */
  const pending = new Map<string, Promise<Claims>>();
  const inTurn = createGate(maxChecks);
  const counts = { hits: 0, misses: 0 };
  let reloadedAt = Number.NEGATIVE_INFINITY;
  let reloading: Promise<void> | undefined;
  revocations.onGap(() => cache.clear());

  const reload = async () => {
    reloadedAt = now();
    try {
      await keys.reload();
    } catch (error) {
      // Asked again soon, but not by every unknown key id.
      reloadedAt = now() - reloadMs + 1000;
      throw error;
    }
  };

  /** Throws store_unavailable when a key may exist that we could not read. */
  const findKey = async (kid: string): Promise<VerifyingKey> => {
    const found = keys.verifying.get(kid);
    if (found !== undefined) return found;
    if (now() - reloadedAt >= reloadMs) {
      reloading ??= reload().finally(() => {
        reloading = undefined;
      });
      await reloading;
    }
    const added = keys.verifying.get(kid);
    if (added === undefined) throw invalid('unknown key id');
    return added;
  };

  const checkSignature = async (token: string, kid: string, key: VerifyingKey) => {
    const at = now();
    try {
      const { payload } = await jwtVerify(token, key.key, {
        algorithms: [key.alg],
        typ: 'at+jwt',
        issuer,
        audience,
        currentDate: new Date(at),
        requiredClaims: ['exp'],
      });
      return readClaims(payload, { kid, maxLifeSeconds, nowSeconds: Math.floor(at / 1000) });
    } catch (cause) {
      if (cause instanceof joseErrors.JWTExpired) throw new AppError('token_expired');
      if (cause instanceof joseErrors.JOSEError)
        throw new AppError('token_invalid', { detail: cause.code });
      throw cause;
    }
  };

  /** What costs nothing comes first: garbage must not wait in line before good tokens. */
  const check = async (token: string): Promise<Claims> => {
    const { kid, alg } = parseHeader(token);
    const key = await findKey(kid);
    if (key.alg !== alg) throw invalid('algorithm of another key');
    return inTurn(() => checkSignature(token, kid, key));
  };

  const checkOnce = (token: string): Promise<Claims> => {
    const running = pending.get(token);
    if (running !== undefined) return running;
    counts.misses++;
    const checked = check(token)
      .then((claims) => {
        cache.set(token, claims);
        return claims;
      })
      .finally(() => pending.delete(token));
    pending.set(token, checked);
    return checked;
  };

  const findCached = (token: string): Claims | undefined => {
    const claims = cache.get(token);
    if (claims === undefined) return undefined;
    counts.hits++;
    if (claims.exp * 1000 > now()) return claims;
    cache.delete(token);
    throw new AppError('token_expired');
  };

  type Check = (claims: Claims) => 'ok' | 'ended' | 'unknown';
  const refuseBy =
    (ask: Check, askElsewhere?: typeof whenUnknown) =>
    (claims: Claims): Claims | Promise<Claims> => {
      const state = ask(claims);
      if (state === 'ok') return claims;
      const elsewhere = state === 'unknown' ? askElsewhere?.(claims) : undefined;
      if (elsewhere !== undefined) return elsewhere;
      throw new AppError(state === 'ended' ? 'session_ended' : 'store_unavailable');
    };

  const refuseRevoked = refuseBy(revocations.check, whenUnknown);
  // An end cannot be told to anybody while the log is silent, and asks nobody else.
  const refuseButSession = refuseBy(revocations.checkButSession);

  return {
    /**
     * The claims of a token that is valid now: at once (returned or thrown) when the token is known,
     * else as a promise. Throws token_invalid, token_expired, session_ended, or store_unavailable
     * when nobody can say whether it was revoked: unknown is never "logged out".
     */
    verify: (token: string): Claims | Promise<Claims> => {
      const claims = findCached(token);
      return claims === undefined ? checkOnce(token).then(refuseRevoked) : refuseRevoked(claims);
    },

    /**
     * The same for logout, which must be repeatable: a session that has ended is no reason to refuse.
     * A token from before a password change is: it must not end the session that goes on.
     */
    verifyForLogout: (token: string): Claims | Promise<Claims> => {
      const claims = findCached(token);
      return claims === undefined
        ? checkOnce(token).then(refuseButSession)
        : refuseButSession(claims);
    },

    /** Cache hits and misses since the start, and its size now. */
    stats: () => ({ ...counts, size: cache.size }),
  };
};
