/**
 * Checks access tokens. A token seen before costs one lookup in a bounded cache and one local look at
 * the revocation log: this is the hottest path of an edge. A new one goes through parse.ts (one spelling
 * only), its signature, claims.ts, then the same revocation check. Negative results are not cached.
 *
 * Signatures are checked with node:crypto on the main thread, a few per turn of the loop (turns.ts).
 * jose would check them in the thread pool: the way there and back costs more than it takes off the
 * main thread, and queues behind file reads. jose's other rules are in parse.ts and claims.ts, where
 * they are stricter; the tests hold both against the same tokens.
 */
import { AppError } from '../../shared/errors.js';
import { createCache } from '../cache.js';
import { algorithms } from './algorithms.js';
import { type Claims, readClaims } from './claims.js';
import { invalid } from './invalid.js';
import type { VerifyingKey } from './keys.js';
import {
  decodePart,
  type Header,
  type Parts,
  parseHeader,
  parseObject,
  splitToken,
} from './parse.js';
import type { Revocations } from './revocations.js';
import { createTurns } from './turns.js';

export type { Claims } from './claims.js';
export type Verifier = ReturnType<typeof createVerify>;

/** About a millisecond of signature checks per turn of the loop. */
const perTurn = 8;
/** About 100 ms of signature checks; whoever comes later is told to come again. */
const maxWaiting = 512;
/** A thumbprint (RFC 7638). */
const kidForm = /^[\w-]{43}$/;
/** All tokens of a key share one header; there are few keys. */
const maxHeaders = 64;

/**
 * What a token is found by: the last 144 bits of its signature, which only our keys can make, so nobody
 * chooses them. A map hashes its keys letter by letter; that of a whole token took 1.3 of 28 µs.
 */
const keyOf = (token: string): string => token.slice(-24);

export const createVerify = ({
  keys,
  issuer,
  audience,
  revocations,
  whenUnknown,
  cacheSize = 10_000,
  now = Date.now,
}: {
  keys: {
    verifying: ReadonlyMap<string, VerifyingKey>;
    reload: () => Promise<void>;
    reread: () => Promise<void>;
  };
  issuer: string;
  /** Tokens for others are refused; none given = whoever they are for. */
  audience?: string;
  revocations: Pick<Revocations, 'check' | 'checkButSession' | 'checkAlone' | 'onGap'>;
  /** Another authority for some tokens while the log is silent; undefined = none for this one. */
  whenUnknown?: ((claims: Claims) => Promise<Claims> | undefined) | undefined;
  cacheSize?: number;
  now?: () => number;
}) => {
  const cache = createCache<{ token: string; claims: Claims }>(cacheSize);
  /** New tokens that wait: a burst with one of them costs one signature check. */
  const pending = new Map<string, Promise<Claims>>();
  /** Headers of tokens that were valid. */
  const headers = new Map<string, Header>();
  const turns = createTurns({ perTurn, maxWaiting });
  const counts = { hits: 0, misses: 0 };
  /** While it is pending, a key may have ended without our hearing of it. */
  let doubt: Promise<void> | undefined;

  revocations.onGap(() => {
    cache.clear();
    const reading = keys.reload().catch(() => {});
    doubt = reading;
    void reading.then(() => {
      if (doubt === reading) doubt = undefined;
    });
  });

  /** Throws store_unavailable when a key may exist that we could not read. */
  const findKey = async (kid: string): Promise<VerifyingKey> => {
    if (!keys.verifying.has(kid)) await keys.reread();
    const key = keys.verifying.get(kid);
    if (key === undefined) throw invalid('unknown key id');
    return key;
  };

  const readHeader = (part: string): Header => headers.get(part) ?? parseHeader(part);

  const remember = (part: string, header: Header) => {
    if (headers.has(part)) return;
    if (headers.size >= maxHeaders) headers.clear();
    headers.set(part, header);
  };

  const finish = (token: string, parts: Parts, header: Header, key: VerifyingKey): Claims => {
    const { kid, alg } = header;
    if (key.alg !== alg) throw invalid('algorithm of another key');
    const payload = decodePart(parts.payload);
    const signature = decodePart(parts.signature);
    const input = Buffer.from(`${parts.header}.${parts.payload}`, 'latin1');
    if (!algorithms[key.alg].verify(key.key, input, signature)) throw invalid('signature');
    const nowSeconds = Math.floor(now() / 1000);
    const expected = { kid, issuer, audience, nowSeconds };
    const claims = readClaims(parseObject(payload), expected);
    remember(parts.header, header);
    cache.set(keyOf(token), { token, claims });
    return claims;
  };

  /** What costs nothing comes first: garbage must not wait in line before good tokens. */
  const finishLater = async (token: string, parts: Parts, header: Header): Promise<Claims> => {
    await doubt;
    await findKey(header.kid);
    if (!turns.tryNow()) await turns.wait();
    return finish(token, parts, header, await findKey(header.kid));
  };

  const checkLater = (token: string, parts: Parts, header: Header): Promise<Claims> => {
    const checked = finishLater(token, parts, header).finally(() => pending.delete(token));
    pending.set(token, checked);
    return checked;
  };

  const checkNew = (token: string): Claims | Promise<Claims> => {
    const running = pending.get(token);
    if (running !== undefined) return running;
    counts.misses++;
    const parts = splitToken(token);
    const header = readHeader(parts.header);
    const key = doubt === undefined ? keys.verifying.get(header.kid) : undefined;
    if (key === undefined || !turns.tryNow()) return checkLater(token, parts, header);
    return finish(token, parts, header, key);
  };

  const findCached = (token: string): Claims | undefined => {
    const key = keyOf(token);
    const known = cache.get(key);
    if (known?.token !== token) return undefined;
    counts.hits++;
    if (known.claims.exp * 1000 > now()) return known.claims;
    cache.delete(key);
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
  const refuseAlone = refuseBy(revocations.checkAlone);

  const verifyBy =
    (refuse: (claims: Claims) => Claims | Promise<Claims>) =>
    (token: string): Claims | Promise<Claims> => {
      const claims = findCached(token) ?? checkNew(token);
      return claims instanceof Promise ? claims.then(refuse) : refuse(claims);
    };

  return {
    /**
     * The claims of a token that is valid now: at once (returned or thrown), but for new tokens in a
     * crowd of them and unknown keys, whose answer is a promise. Throws token_invalid, token_expired,
     * session_ended, temporarily_unavailable when the crowd is too large, or store_unavailable when nobody can
     * say whether it was revoked: unknown is never "logged out".
     */
    verify: verifyBy(refuseRevoked),

    /**
     * The same for logout, which must be repeatable: a session that has ended is no reason to refuse.
     * A token from before a password change is: it must not end the session that goes on.
     */
    verifyForLogout: verifyBy(refuseButSession),

    /**
     * The same for the end of all sessions: it has ended the caller's own, and a repeat must get through. The
     * store decides whether a generation that was left behind was left behind by that.
     */
    verifyToEndAll: verifyBy(refuseAlone),

    /** The same for revoking it: whatever the log says of it already, the end is recorded and told once more. */
    verifySigned: verifyBy((claims) => claims),

    /**
     * Whether a token that is not valid may have been: it says of itself that it is one of ours, under a key
     * that the ring does not have (any more). Nothing can be learned by making some up.
     */
    mayHaveBeen: (token: string): boolean => {
      try {
        const { kid } = readHeader(splitToken(token).header);
        return kidForm.test(kid) && !keys.verifying.has(kid);
      } catch {
        return false;
      }
    },

    /** Cache hits and misses since the start, and its size now. */
    stats: () => ({ ...counts, size: cache.size }),
  };
};
