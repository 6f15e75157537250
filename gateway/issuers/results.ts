/**
 * What is known about tokens of other issuers, by the SHA-256 of the token, so that no bearer token of
 * somebody else stays in our memory. Good ones for five minutes or until they end, refused ones for ten
 * seconds, in a cache apart: a flood of garbage must not push out the good ones.
 */
import { AppError, codeOf, type ErrorCode } from '../../shared/errors.js';
import { createCache } from '../cache.js';
import type { External } from './identity.js';

const keepMs = 300_000;
const keepRefusedMs = 10_000;

type Good = {
  readonly external: External;
  /** As the token says, by the time of day. */
  readonly endMs: number;
  /** On the clock that does not jump. */
  readonly untilMs: number;
  /** The result is void when its issuer is no longer at this epoch. */
  readonly epoch: number;
  readonly epochNow: () => number;
  readonly hit: () => void;
};
type Refused = { readonly code: ErrorCode; readonly untilMs: number; readonly hit: () => void };
export type Results = ReturnType<typeof createResults>;

export const createResults = ({
  size,
  now,
  clock,
}: {
  size: number;
  now: () => number;
  clock: () => number;
}) => {
  const good = createCache<Good>(size);
  const refused = createCache<Refused>(size);

  const findGood = (key: string): External | undefined => {
    const found = good.get(key);
    if (found === undefined) return undefined;
    if (now() >= found.endMs) {
      found.hit();
      throw new AppError('token_expired');
    }
    if (clock() >= found.untilMs || found.epoch !== found.epochNow()) return undefined;
    found.hit();
    return found.external;
  };

  const throwRefused = (key: string) => {
    const found = refused.get(key);
    if (found === undefined || clock() >= found.untilMs) return;
    found.hit();
    throw new AppError(found.code);
  };

  return {
    /** Throws what the token was refused with. */
    find: (key: string): External | undefined => {
      const external = findGood(key);
      if (external === undefined) throwRefused(key);
      return external;
    },

    keep: (
      key: string,
      {
        endSeconds,
        ...rest
      }: Pick<Good, 'external' | 'epoch' | 'epochNow' | 'hit'> & {
        endSeconds: number | undefined;
      },
    ) => {
      const endMs = endSeconds === undefined ? Number.POSITIVE_INFINITY : endSeconds * 1000;
      good.set(key, { ...rest, endMs, untilMs: clock() + keepMs });
    },

    /** Keeps only what says something about the token: trouble of ours is not repeated. */
    refuse: (key: string, error: unknown, hit: () => void) => {
      const code = codeOf(error);
      if (code !== 'token_invalid' && code !== 'token_expired') return;
      refused.set(key, { code, untilMs: clock() + keepRefusedMs, hit });
      good.delete(key);
    },

    stats: () => ({ good: good.size, refused: refused.size }),
  };
};
