/**
 * Sessions and their refresh tokens: one hash per session (`sess:{u}:<id>`) and one index per user
 * (`idx:{u}`, by last use), all under the user's hash tag, so every step is one script. A session is
 * also the refresh family: it stores the current generation, and a token is that number with a MAC, so
 * nothing in Redis can be replayed and a repeat derives the same successor instead of a second branch.
 * Whether the session's access tokens die at once is the caller's affair: it tells the revocation log.
 */
import { AppError } from '../../shared/errors.js';
import type { RedisClient } from '../../shared/redis.js';
import {
  defineScript,
  defineStrongScript,
  evenWhenFull,
  storeCall,
} from '../../shared/redis-calls.js';
import { createRedisClock } from '../redis-clock.js';
import { goneKey, sessionKeys, userKey } from './account-keys.js';
import { goneMs, newSession, shorten, splitId, spread } from './session-id.js';
import { createLua, endLua, rebaseLua, rotateLua } from './session-scripts.js';

type Grant = { u: string; userId: string; gen: number; scope: string; clientId: string };
type RefreshToken = { u: string; id: string; sessionId: string; generation: number };

/** `repeated`: the answer of the first use was lost, this is the same successor again. */
export type Refreshed = Grant & {
  outcome: 'rotated' | 'repeated';
  sessionId: string;
  refreshToken: string;
};
export type Rotation =
  | Refreshed
  /**
   * `reuse`: an old token, so somebody has a copy; the family is dead now. `ended`: it was before.
   * Publish the session's revocation (again: a first try may have failed), confirm it, then refuse.
   */
  | { outcome: 'reuse' | 'ended'; u: string; sessionId: string };

export type Sessions = ReturnType<typeof createSessions>;

const refreshToken = /^([\w-]{22})\.([\w-]{22})\.(0|[1-9]\d{0,14})\.([\w-]{1,16})\.([\w-]{43})$/;
const maxUserAgent = 256;

const texts = (reply: unknown): string[] => (Array.isArray(reply) ? reply.map(String) : []);

export const createSessions = ({
  redis,
  refreshMac,
  confirmRefreshMac,
  idleMs,
  maxMs,
  perUser = 100,
  graceMs = 10_000,
  jitter = spread,
  hasBackup = false,
  now,
}: {
  redis: RedisClient;
  refreshMac: (text: string) => { keyId: string; mac: string };
  confirmRefreshMac: (keyId: string, text: string, mac: string) => Promise<boolean>;
  idleMs: number;
  maxMs: number;
  perUser?: number;
  /** How long the token before the current one is answered with the current one; 0 = never. */
  graceMs?: number;
  /** The limits of a session are up to this share shorter than promised, so that a crowd's spread. */
  jitter?: number;
  /** Whether there is a second store for critical sessions; without one there are none. */
  hasBackup?: boolean;
  /** In ms, of a clock that does not jump. */
  now?: () => number;
}) => {
  const clock = createRedisClock(redis, now && { now });
  const createScript = defineScript(redis, { name: 'sessionCreate', lua: createLua });
  const rotateScript = defineScript(redis, {
    name: 'sessionRotate',
    lua: evenWhenFull(rotateLua),
  });
  const rebaseScript = defineScript(redis, { name: 'sessionRebase', lua: rebaseLua });
  const endScript = defineStrongScript(redis, {
    name: 'sessionEnd',
    lua: evenWhenFull(endLua),
  });

  /** Sent again at most once, and only after the answer that nothing was done. */
  const rotateInTime = async (
    keys: readonly string[],
    args: readonly (string | number)[],
    tries = 2,
  ): Promise<string[]> => {
    const { until, learn } = clock.start(keys[0] ?? '');
    const reply = texts(await rotateScript(keys, [...args, until]));
    const [outcome, serverMs] = reply;
    learn(Number(serverMs));
    // The answer is here in time: its clock is another than we thought (a step, a failover).
    return outcome === 'late' && tries > 1 ? rotateInTime(keys, args, tries - 1) : reply;
  };

  const issue = (sessionId: string, generation: number): string => {
    const text = `${sessionId}.${generation}`;
    const { keyId, mac } = refreshMac(text);
    return `${text}.${keyId}.${mac}`;
  };

  const read = async (token: string): Promise<RefreshToken | undefined> => {
    const [, u, id, generation, keyId, mac] = refreshToken.exec(token) ?? [];
    if (!u || !id || !generation || !keyId || !mac) return undefined;
    const sessionId = `${u}.${id}`;
    const text = `${sessionId}.${generation}`;
    if (!(await confirmRefreshMac(keyId, text, mac))) return undefined;
    return { u, id, sessionId, generation: Number(generation) };
  };

  /** Throws token_invalid for everything that we did not issue; asks the store about unknown keys only. */
  const parse = async (token: string): Promise<RefreshToken> => {
    const found = await read(token);
    if (found === undefined) throw new AppError('token_invalid');
    return found;
  };

  return {
    /**
     * A new session with its first refresh token; atomic. `ended` names sessions that had to go because
     * the user has too many, also those of earlier times that nobody confirmed: publish their revocation,
     * then `confirmEnded`. `gen_changed`: the password or the status of the account changed since the
     * verdict, so the verdict is void. Throws critical_unavailable and store_unavailable.
     */
    create: async (
      session: Grant & {
        address: string;
        userAgent: string;
        critical?: boolean;
        cookieHash?: string | undefined;
      },
    ): Promise<{ sessionId: string; refreshToken: string; ended: string[] } | 'gen_changed'> => {
      const { u, gen, critical = false } = session;
      if (critical && !hasBackup) throw new AppError('critical_unavailable');
      const id = newSession(critical);
      const limits = [shorten(id, idleMs, jitter), shorten(id, maxMs, jitter)];
      const reply = await createScript(
        [...sessionKeys(u, id), goneKey(u)],
        [
          ...[id, gen, ...limits, perUser, goneMs, idleMs, maxMs],
          ...['user_id', session.userId, 'scope', session.scope, 'client_id', session.clientId],
          ...['address', session.address, 'user_agent', session.userAgent.slice(0, maxUserAgent)],
          ...(session.cookieHash === undefined ? [] : ['cookie', `${gen}.${session.cookieHash}`]),
        ],
      );
      if (!Array.isArray(reply)) return 'gen_changed';
      const sessionId = `${u}.${id}`;
      const ended = reply.map((old) => `${u}.${String(old)}`);
      return { sessionId, refreshToken: issue(sessionId, 0), ended };
    },

    /** The ends of these sessions of one user are in the revocation log. Never rejects. */
    confirmEnded: async (sessionIds: readonly string[]): Promise<void> => {
      const { u } = splitId(sessionIds[0] ?? '');
      const ids = sessionIds.map((sessionId) => splitId(sessionId).id);
      // What stays in the set is published again, which is harmless.
      if (ids.length > 0) await redis.srem(goneKey(u), ...ids).catch(() => {});
    },

    /**
     * One use of a refresh token; atomic, and repeatable inside the grace. Throws token_invalid for what
     * we did not issue, session_ended for a token from before a password change or of a disabled
     * account (its session may live on, so there is nothing to publish), and store_unavailable.
     * For another `client` than the family's it is no token, and is not used up.
     */
    rotate: async (token: string, client: string): Promise<Rotation> => {
      const { u, id, sessionId, generation } = await parse(token);
      const args = [id, generation, graceMs, shorten(id, idleMs, jitter), client, goneMs];
      const reply = await rotateInTime([...sessionKeys(u, id), goneKey(u)], args);
      const [outcome, , userId = '', gen, scope = '', clientId = '', next] = reply;
      if (outcome === 'late') throw new AppError('store_unavailable', { detail: 'it is too late' });
      if (outcome === 'reuse' || outcome === 'ended') return { outcome, u, sessionId };
      if (outcome === 'stale') throw new AppError('session_ended');
      if (outcome === 'foreign') throw new AppError('token_invalid');
      if (outcome !== 'rotated' && outcome !== 'repeated') throw new AppError('internal');
      const grant = { u, userId, gen: Number(gen), scope, clientId };
      return { ...grant, outcome, sessionId, refreshToken: issue(sessionId, Number(next)) };
    },

    /**
     * Which session and generation a refresh token of ours names; undefined for anything else. Throws
     * store_unavailable when there may be a key for it that could not be read.
     */
    read,

    /** The account's generation; 0 for one that does not exist. Throws store_unavailable. */
    genOf: async (u: string): Promise<number> =>
      Number(await storeCall(redis.hget(userKey(u), 'gen'))),

    /** Deletes the session; repeatable. `confirmEnded` when the log has it. Throws store_unavailable. */
    end: async (sessionId: string): Promise<void> => {
      const { u, id } = splitId(sessionId);
      const [, session, index] = sessionKeys(u, id);
      await endScript([session, index, goneKey(u)], [id, goneMs]);
    },

    /**
     * After a password change to `gen`: keeps this session with a fresh refresh token and, where it has a
     * cookie, with the one of this hash; ends the user's others. All its older refresh tokens and cookies are
     * dead. Atomic and repeatable. Throws session_ended when the session is gone or another change came
     * in between, and store_unavailable.
     */
    rebase: async ({
      sessionId,
      gen,
      cookieHash = '',
    }: {
      sessionId: string;
      gen: number;
      cookieHash?: string | undefined;
    }): Promise<string> => {
      const { u, id } = splitId(sessionId);
      const generation = await rebaseScript(sessionKeys(u, id), [id, gen, cookieHash]);
      if (typeof generation !== 'number') throw new AppError('session_ended');
      return issue(sessionId, generation);
    },
  };
};
