/**
 * The life of an access token, whoever issues it: renewed a minute before it expires, by one renewal
 * that all callers share, and never handed out once it has expired. While a renewal fails, the old
 * token serves on as long as it is good. Nothing runs by itself: a caller who comes in that last
 * minute starts the renewal and does not wait for it, so an unused source costs nothing and keeps no
 * process alive.
 */
import { inTime, orAborted } from './deadline.js';
import { FloodgateError, isFloodgateError } from './errors.js';
import type { Backoff } from './retry.js';

/** `expiresAt`: milliseconds of the source's clock. */
export type Held = { accessToken: string; expiresAt: number };

const earlyMs = 60_000;
/** A short-lived token is renewed in the last part of its life, not all the time. */
const earlyShare = 0.2;
/** Up to this much earlier still, so that tokens of the same age are not renewed together. */
const jitterShare = 0.5;
const brandNewMs = 5000;

/** When a token that was asked for at `from` is due; always before it expires. */
export const renewalTime = (from: number, expiresAt: number, random: () => number): number => {
  const margin = Math.min(earlyMs, (expiresAt - from) * earlyShare);
  return expiresAt - margin * (1 + random() * jitterShare);
};

export const createTokenSource = ({
  renew,
  backoff,
  now,
  random,
  first,
  timeoutMs,
}: {
  /** One renewal with all its repeats; may return what it has been given meanwhile. */
  renew: () => Promise<Held>;
  backoff: Backoff;
  now: () => number;
  random: () => number;
  /** From an earlier run of the program. */
  first?: Held | undefined;
  /** Of waiting for a renewal, where that does not end in time by itself; it goes on. */
  timeoutMs?: number;
}) => {
  let held: (Held & { renewAt: number; newUntil: number }) | undefined;
  let renewal: Promise<string> | undefined;
  /** Failed renewals in a row, and what callers without a token get until the next one is due. */
  let failures = 0;
  let failed: { error: unknown; nextAt: number } | undefined;

  const hold = ({ accessToken, expiresAt }: Held, isNew = true) => {
    const renewAt = renewalTime(now(), expiresAt, random);
    held = { accessToken, expiresAt, renewAt, newUntil: isNew ? now() + brandNewMs : 0 };
    failures = 0;
    failed = undefined;
  };
  if (first !== undefined) hold(first, false);

  const attempt = async (): Promise<string> => {
    try {
      const fresh = await renew();
      // So short-lived that it expired on its way.
      if (fresh.expiresAt <= now()) throw new FloodgateError('bad_answer');
      hold(fresh);
      return fresh.accessToken;
    } catch (error) {
      const retryAfterMs = isFloodgateError(error) ? error.retryAfterMs : undefined;
      failed = { error, nextAt: now() + backoff(failures++, retryAfterMs) };
      throw error;
    } finally {
      renewal = undefined;
    }
  };

  const renewOnce = (): Promise<string> => {
    renewal ??= attempt();
    return renewal;
  };

  const waitForIt = (): Promise<string> =>
    timeoutMs === undefined ? renewOnce() : inTime(renewOnce, { timeoutMs, now });

  const isTooSoon = (): boolean => failed !== undefined && now() < failed.nextAt;

  const get = async (signal?: AbortSignal): Promise<string> => {
    if (held !== undefined && now() < held.expiresAt) {
      // Whether it fails is seen when the token has expired.
      if (now() >= held.renewAt && !isTooSoon()) renewOnce().catch(() => {});
      return held.accessToken;
    }
    if (renewal === undefined && failed !== undefined && isTooSoon()) throw failed.error;
    return signal ? orAborted(waitForIt(), signal) : waitForIt();
  };

  return {
    /**
     * A token that is good now. Throws what the renewal throws, and the same again without asking for
     * as long as it should not be repeated. `signal` ends the waiting, not the renewal.
     */
    get,
    hold,
    /** What was held has been replaced: neither it nor an earlier failure is told any more. */
    drop: () => {
      held = undefined;
      failed = undefined;
    },
    /**
     * A resource server has refused this one: it is not handed out again. Except a brand-new one: who
     * refuses that will refuse the next, and each would cost a renewal.
     */
    discard: (accessToken: string) => {
      if (held?.accessToken !== accessToken || now() < held.newUntil) return;
      held = undefined;
    },
  };
};
