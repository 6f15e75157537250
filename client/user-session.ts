/**
 * The tokens of a signed-in user, renewed by themselves. Every refresh spends the refresh token, so each
 * new pair is given to `onChange` to be saved, the first one too, and nobody gets to see it before that has
 * succeeded: a process that dies in between finds the old one saved, with which the server repeats its
 * answer for ten seconds. When the server says that the session is over, and nothing newer of it is saved,
 * it is: no call asks again.
 *
 *   const session = createUserSession({ client, ...(await client.login(credentials)), onChange: save });
 *   await client.verify(await session.getToken());
 *   const restored = createUserSession({ client, ...saved, onChange: save });
 */
import type { OnBehalf } from './arguments.js';
import type { Client } from './client.js';
import { createClock } from './clock.js';
import { callTimeoutMs, inTime } from './deadline.js';
import { type FloodgateError, isFloodgateError } from './errors.js';
import { createBackoff } from './retry.js';
import {
  createSavedTokens,
  type GivenTokens,
  isSuccessor,
  type Loaded,
  type SessionTokens,
} from './saved-tokens.js';
import { createTokenSource, type Held } from './token-source.js';

export type UserSessionOptions = {
  client: Pick<Client, 'refresh'> & Partial<Pick<Client, 'timeoutMs'>>;
  refreshToken: string;
  /** Good until `expiresAt`, and no longer than `expiresIn` from now; without it the first call refreshes. */
  accessToken?: string | undefined;
  /** Seconds. */
  expiresIn?: number | undefined;
  /** Milliseconds since 1970. */
  expiresAt?: number | undefined;
  /** These come from `onChange`. What does not say so is new, and saved before it is used. */
  saved?: boolean | undefined;
  /**
   * Saves a pair: the first one when it is new, each renewed one, each one given to `replace`; one at a
   * time, before anybody sees it. All of the object, given back to createUserSession, restores the session
   * and is not saved again. After an error, or when it takes longer than the client's `timeoutMs`, it is
   * called again with the same pair: better that it gives up before that.
   */
  onChange: (tokens: SessionTokens) => Promise<void> | void;
  /**
   * What is saved now; needed where several tabs or processes share the session. Asked before each refresh,
   * and before the session is taken for ended. What belongs to another session is ignored, and the next
   * `onChange` writes over it: who signs somebody else in must drop the old session, or save them apart.
   */
  load?: (() => Promise<Loaded> | Loaded) | undefined;
  now?: () => number;
  random?: () => number;
} & OnBehalf;

/** `unknown`: the first pair, until `load` has told or it has been saved. */
type Pair = Held & { tokens: SessionTokens; isSaved: 'yes' | 'no' | 'unknown' };

/** The refresh token will not work again. A 503, or no answer, says nothing of the kind. */
const isTheEnd = (error: unknown): error is FloodgateError =>
  isFloodgateError(error) &&
  error.status === 401 &&
  ['token_invalid', 'token_expired', 'session_ended'].includes(error.code);

const pairOf = (given: GivenTokens, at: number, isSaved: Pair['isSaved'] = 'no'): Pair => {
  const { accessToken, expiresIn, refreshToken } = given;
  // No longer than its life, should the clock that made `expiresAt` have been ahead.
  const ends = Math.min(given.expiresAt ?? Number.POSITIVE_INFINITY, at + expiresIn * 1000);
  const expiresAt = Math.floor(ends);
  const tokens = { accessToken, expiresIn, expiresAt, refreshToken, saved: true } as const;
  return { accessToken, expiresAt, tokens, isSaved };
};

const firstOf = (options: UserSessionOptions, at: number): Pair | undefined => {
  const { accessToken, expiresAt, refreshToken, saved } = options;
  const { expiresIn = expiresAt === undefined ? undefined : (expiresAt - at) / 1000 } = options;
  if (accessToken === undefined || expiresIn === undefined) return undefined;
  const given = { accessToken, expiresIn, expiresAt, refreshToken };
  return pairOf(given, at, saved ? 'yes' : 'unknown');
};

export const createUserSession = (options: UserSessionOptions) => {
  const { client, clientAddress, userAgent } = options;
  const { now = createClock(), random = Math.random } = options;
  const { timeoutMs = callTimeoutMs } = client;
  const kept = createSavedTokens({ ...options, timeoutMs, now });
  let refreshToken = options.refreshToken;
  /** Belongs to `refreshToken`; undefined when that came without an access token. */
  let newest = firstOf(options, now());
  let end: FloodgateError | undefined;

  const take = (pair: Pair) => {
    newest = pair;
    refreshToken = pair.tokens.refreshToken;
  };

  /** What has been replaced meanwhile is not handed out any more. */
  const save = async (pair: Pair): Promise<Held> => {
    if (pair.isSaved !== 'yes') {
      pair.isSaved = 'no';
      await kept.save(pair.tokens);
      pair.isSaved = 'yes';
    }
    return newest === undefined || newest === pair ? pair : save(newest);
  };

  /** Goes over to what another tab has made of the session. */
  const catchUp = async (): Promise<void> => {
    const stored = await kept.load();
    if (stored === undefined) return;
    if (stored === refreshToken && newest?.isSaved === 'unknown') newest.isSaved = 'yes';
    if (!isSuccessor(stored, refreshToken)) return;
    newest = undefined;
    refreshToken = stored;
  };

  /** Throws what a refresh has ended with, unless there is something newer to go on with. */
  const giveUp = async (error: unknown, isLast: boolean): Promise<void> => {
    const spent = refreshToken;
    if (!isTheEnd(error)) throw error;
    if (!isLast) await catchUp();
    if (refreshToken !== spent) return;
    end = error;
    throw error;
  };

  const refresh = async (isLast = false): Promise<Held> => {
    const before = newest;
    try {
      const given = await client.refresh(refreshToken, { clientAddress, userAgent });
      // What `replace` was given meanwhile is newer than this answer.
      if (newest === before) take(pairOf(given, now()));
    } catch (error) {
      if (newest === before) await giveUp(error, isLast);
    }
    return newest === undefined ? refresh(true) : save(newest);
  };

  const renew = async (): Promise<Held> => {
    // Any other is new: saved or not, it has not been handed out.
    const due = newest?.isSaved === 'yes' ? newest : undefined;
    await catchUp();
    if (newest !== undefined && newest !== due && now() < newest.expiresAt) return save(newest);
    return refresh();
  };

  const source = createTokenSource({
    renew,
    backoff: createBackoff({ random }),
    now,
    random,
    first: newest?.isSaved === 'yes' ? newest : undefined,
    timeoutMs,
  });

  return {
    /**
     * A token that is good now. After the end of the session: always the error that told of it. Ends
     * within the client's `timeoutMs`; a renewal that takes longer goes on.
     */
    getToken: async ({ signal }: { signal?: AbortSignal } = {}): Promise<string> => {
      if (end !== undefined) throw end;
      return source.get(signal);
    },
    /** After a 401 from a resource server: this token is not handed out again. */
    discard: source.discard,
    /**
     * Tokens that came another way, as from a password change; saved like all others. Those before them
     * are not handed out any more, also when saving fails: `getToken` tries it again then.
     */
    replace: async (tokens: GivenTokens): Promise<void> => {
      const pair = pairOf(tokens, now());
      take(pair);
      // The tokens before these may have ended just now, and by the same change.
      end = undefined;
      source.drop();
      await inTime(async () => source.hold(await save(pair)), { timeoutMs, now });
    },
  };
};
