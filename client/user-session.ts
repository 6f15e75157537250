/**
 * The tokens of a signed-in user, renewed by themselves. Every refresh spends the refresh token, so the
 * new pair is given to `onChange` to be saved, and nobody gets to see it before that has succeeded: a
 * process that dies in between finds the old one saved, with which the server repeats its answer for
 * ten seconds. When the server says that the session is over, it is: no call asks again.
 *
 *   const session = createUserSession({ client, ...(await client.login(credentials)), onChange: save });
 *   await client.verify(await session.getToken());
 */
import type { Client } from './client.js';
import { createClock } from './clock.js';
import { FloodgateError, isFloodgateError } from './errors.js';
import { createBackoff } from './retry.js';
import { createTokenSource, type Held } from './token-source.js';

export type SessionTokens = { accessToken: string; expiresIn: number; refreshToken: string };

export type UserSessionOptions = {
  client: Pick<Client, 'refresh'>;
  refreshToken: string;
  /** With `expiresIn` seconds from now; without them the first call refreshes. */
  accessToken?: string;
  expiresIn?: number;
  onChange: (tokens: SessionTokens) => Promise<void> | void;
  /** What is saved now; needed where several tabs or processes share the session. */
  load?: () => Promise<SessionTokens | undefined> | SessionTokens | undefined;
  now?: () => number;
  random?: () => number;
};

type Issued = Held & { tokens: SessionTokens };

/** The refresh token will not work again. A 503, or no answer, says nothing of the kind. */
const isTheEnd = ({ status, code }: FloodgateError): boolean =>
  status === 401 && ['token_invalid', 'token_expired', 'session_ended'].includes(code);

export const createUserSession = (options: UserSessionOptions) => {
  const { client, onChange, load, accessToken, expiresIn } = options;
  const { now = createClock(), random = Math.random } = options;
  let refreshToken = options.refreshToken;
  let unsaved: Issued | undefined;
  let replaced: Issued | undefined;
  let end: FloodgateError | undefined;

  const issued = (tokens: SessionTokens, askedAt: number): Issued => ({
    tokens,
    accessToken: tokens.accessToken,
    expiresAt: askedAt + tokens.expiresIn * 1000,
  });

  const save = async (fresh: Issued): Promise<Issued> => {
    unsaved = fresh;
    try {
      await onChange(fresh.tokens);
    } catch (cause) {
      throw new FloodgateError('not_saved', { cause });
    }
    refreshToken = fresh.tokens.refreshToken;
    if (unsaved === fresh) unsaved = undefined;
    return fresh;
  };

  /** What `replace` was given while a refresh was under way is newer than its answer. */
  const newest = async (): Promise<Held> => {
    if (replaced === undefined) throw new FloodgateError('aborted');
    return unsaved === replaced ? save(replaced) : replaced;
  };

  const refresh = async (): Promise<Held> => {
    const askedAt = now();
    const before = replaced;
    const isOutdated = () => replaced !== before;
    try {
      const { accessToken, expiresIn, refreshToken: next } = await client.refresh(refreshToken);
      if (isOutdated()) return newest();
      return await save(issued({ accessToken, expiresIn, refreshToken: next }, askedAt));
    } catch (error) {
      if (isOutdated()) return newest();
      if (isFloodgateError(error) && isTheEnd(error)) end = error;
      throw error;
    }
  };

  const renew = async (): Promise<Held> => {
    if (unsaved !== undefined && now() < unsaved.expiresAt) return save(unsaved);
    const before = replaced;
    const saved = unsaved?.tokens ?? (await load?.());
    if (replaced !== before) return newest();
    if (saved !== undefined) refreshToken = saved.refreshToken;
    return refresh();
  };

  const source = createTokenSource({
    renew,
    backoff: createBackoff({ random }),
    now,
    random,
    first:
      accessToken !== undefined && expiresIn !== undefined
        ? { accessToken, expiresAt: now() + expiresIn * 1000 }
        : undefined,
  });

  return {
    /** A token that is good now. After the end of the session: always the error that told of it. */
    getToken: async ({ signal }: { signal?: AbortSignal } = {}): Promise<string> => {
      if (end !== undefined) throw end;
      return source.get(signal);
    },
    /** After a 401 from a resource server: this token is not handed out again. */
    discard: source.discard,
    /** Tokens that came another way, as from a password change; saved like all others. */
    replace: async (tokens: SessionTokens): Promise<void> => {
      replaced = issued(tokens, now());
      // The tokens before these may have ended just now, and by the same change.
      end = undefined;
      source.hold(await save(replaced));
    },
  };
};
