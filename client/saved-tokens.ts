/**
 * What the program keeps of a user session: its `onChange` saves a pair, its `load` reads what is saved.
 * Neither is trusted to end, or to end well: each has the time of one call and typed errors. Pairs are
 * saved one after the other in the order of their coming, so that none lands on a newer one.
 */
import { inTime } from './deadline.js';
import { FloodgateError } from './errors.js';

/** A pair from a login, a refresh or a password change, or one that was saved. */
export type GivenTokens = {
  accessToken: string;
  /** Seconds from now, or to `expiresAt`, which is in milliseconds since 1970. */
  expiresIn: number;
  expiresAt?: number | undefined;
  refreshToken: string;
};

/** A pair as it is to be saved; given back with `saved`, it is not saved once more. */
export type SessionTokens = GivenTokens & { expiresAt: number; saved: true };

/** No more is looked at than the refresh token. */
export type Loaded = Pick<GivenTokens, 'refreshToken'> | null | undefined;

type Saving = {
  onChange: (tokens: SessionTokens) => Promise<void> | void;
  load?: (() => Promise<Loaded> | Loaded) | undefined;
};

/** `<account>.<id>.<generation>.…`: the first two are the session's name, each refresh counts on. */
const form = /^([\w-]+\.[\w-]+)\.(\d{1,15})\./;

/** Whether this is another refresh token of the same session, and no older one. */
export const isSuccessor = (token: string, of: string): boolean => {
  const [, session, generation] = form.exec(token) ?? [];
  const [, ours, current] = form.exec(of) ?? [];
  return (
    token !== of &&
    session !== undefined &&
    session === ours &&
    Number(generation) >= Number(current)
  );
};

export const createSavedTokens = ({
  onChange,
  load,
  timeoutMs,
  now,
}: Saving & { timeoutMs: number; now: () => number }) => {
  const limits = { timeoutMs, now };
  let last: { tokens: SessionTokens; done: Promise<void> } | undefined;

  const put = async (tokens: SessionTokens, before: Promise<void> | undefined) => {
    if (before !== undefined) await before.catch(() => {});
    try {
      await inTime(async () => onChange(tokens), limits);
    } catch (cause) {
      throw new FloodgateError('not_saved', { cause });
    } finally {
      if (last?.tokens === tokens) last = undefined;
    }
  };

  return {
    /** Those who save the same pair share it. Throws not_saved. */
    save: (tokens: SessionTokens): Promise<void> => {
      if (last?.tokens === tokens) return last.done;
      const done = put(tokens, last?.done);
      last = { tokens, done };
      return done;
    },
    /** The refresh token that is saved. Throws not_loaded. */
    load: async (): Promise<string | undefined> => {
      if (load === undefined) return undefined;
      try {
        const stored = await inTime(async () => load(), limits);
        return stored?.refreshToken;
      } catch (cause) {
        throw new FloodgateError('not_loaded', { cause });
      }
    },
  };
};
