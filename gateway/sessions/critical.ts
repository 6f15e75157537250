/**
 * Critical sessions: the parts for sessions, with a second store behind them. The main store is asked first
 * and is the authority; the backup answers only for a critical session, and only when the main store
 * is down or new (has lost its data and has another epoch). A beginning and an end are acknowledged
 * when both stores have them. A refresh is acknowledged by the main store alone: should the backup miss
 * it, the token in the client's hands is newer than what is stored there, which refreshing allows for.
 */
import { AppError, codeOf, type ErrorCode, passOver } from '../../shared/errors.js';
import type { Log } from '../../shared/log.js';
import type { RedisClient } from '../../shared/redis.js';
import { storeCall } from '../../shared/redis-calls.js';
import { goneKey, userKey } from './account-keys.js';
import type { BackupStore } from './backup.js';
import { isCritical, sessionIdOf, splitId } from './session-id.js';
import type { Rotation, Sessions } from './sessions.js';
import type { UserSessions } from './user-sessions.js';

type Logs = Pick<Log, 'warn'>;
type Rotate = Parameters<Sessions['rotate']>;

/** `sessions` on the main store, `second` on the backup. */
export const createCriticalSessions = ({
  redis,
  sessions,
  second,
  backup,
  log,
}: {
  redis: RedisClient;
  sessions: Sessions;
  second: Pick<Sessions, 'rotate'>;
  backup: BackupStore;
  log: Logs;
}): Sessions => {
  const mayBeCritical = async (u: string): Promise<boolean> =>
    (await storeCall(redis.hget(userKey(u), 'critical'))) === '1';

  /** True when both stores have it; otherwise nothing of it stays. */
  const isKept = async (sessionId: string): Promise<boolean> => {
    // Nobody has its tokens yet, so nobody needs to hear of its end.
    const forget = async () => {
      await sessions.end(sessionId);
      await sessions.confirmEnded([sessionId]);
    };
    try {
      if (await backup.copy(sessionId)) return true;
    } catch (error) {
      await forget().catch(() => {});
      throw error;
    }
    await forget();
    return false;
  };

  /** The main store's word, or undefined when it has none: it is down or new. */
  const rotateInMain = async (...given: Rotate): Promise<Rotation | undefined> => {
    const rotation = await sessions.rotate(...given).catch(passOver('store_unavailable'));
    if (rotation?.outcome !== 'ended') return rotation;
    return (await backup.isOrphan(rotation.sessionId)) ? undefined : rotation;
  };

  const copyIfPossible = async (sessionId: string): Promise<void> => {
    await backup.copy(sessionId).catch((err: unknown) => {
      log.warn({ err, session_id: sessionId }, 'a refresh did not reach the backup store');
    });
  };

  return {
    ...sessions,

    create: async (session) => {
      if (session.critical && !(await mayBeCritical(session.u)))
        throw new AppError('critical_unavailable');
      const created = await sessions.create(session);
      if (created === 'gen_changed') return created;
      if (session.critical && !(await isKept(created.sessionId))) return 'gen_changed';
      return created;
    },

    /** What the backup does not hear now, the next login tells again: a plain one need not wait for it. */
    confirmEnded: async (sessionIds) => {
      const critical = sessionIds.filter(isCritical);
      try {
        await backup.end(critical);
        await sessions.confirmEnded(sessionIds);
      } catch (err) {
        log.warn(
          { err, session_ids: critical },
          'ended sessions are not known to the backup store',
        );
        await sessions.confirmEnded(sessionIds.filter((id) => !isCritical(id)));
        // Not only for as long as an access token lives: the copy there lives as long as its session.
        const { u } = splitId(sessionIds[0] ?? '');
        await redis.pexpire(goneKey(u), backup.maxMs).catch(() => {});
      }
    },

    rotate: async (...given) => {
      if (!isCritical(sessionIdOf(given[0]))) return sessions.rotate(...given);
      const known = await rotateInMain(...given);
      const rotation = known ?? (await second.rotate(...given));
      if (!('refreshToken' in rotation)) await backup.end([rotation.sessionId]);
      else if (known !== undefined) await copyIfPossible(known.sessionId);
      return rotation;
    },

    rebase: async (wish) => {
      const token = await sessions.rebase(wish);
      // With the old cookie there, the new one would be refused just when the backup is needed.
      if (isCritical(wish.sessionId)) await backup.copy(wish.sessionId);
      return token;
    },

    end: async (sessionId) => {
      const ended = sessions.end(sessionId);
      await (isCritical(sessionId) ? Promise.all([ended, backup.end([sessionId])]) : ended);
    },
  };
};

/** The same for what a user does with all of them. */
export const createCriticalUserSessions = ({
  userSessions,
  second,
  backup,
}: {
  userSessions: UserSessions;
  second: UserSessions;
  backup: BackupStore;
}): UserSessions => {
  /** Asks the backup where the main store's word, by its code, leaves room for it. */
  const either = async <T>(
    sid: string,
    codes: readonly ErrorCode[],
    ask: (store: UserSessions) => Promise<T>,
  ): Promise<T> => {
    try {
      return await ask(userSessions);
    } catch (error) {
      const code = codeOf(error);
      if (!isCritical(sid) || !codes.includes(code)) throw error;
      if (code === 'session_ended' && !(await backup.isOrphan(sid))) throw error;
      return ask(second);
    }
  };
  /** The backup knows the critical sessions only: what a main store that is down holds would live on. */
  const orphans = ['session_ended'] as const;

  return {
    ...userSessions,
    list: (owner) =>
      either(owner.sid, ['store_unavailable', ...orphans], (store) => store.list(owner)),
    endOne: (owner, sessionId) =>
      either(owner.sid, orphans, (store) => store.endOne(owner, sessionId)),
    endOthers: (owner) => either(owner.sid, orphans, (store) => store.endOthers(owner)),
    endAll: async (u, how = {}) => {
      const gen = await userSessions.endAll(u, how);
      if (gen !== undefined || how.sid === undefined || !isCritical(how.sid)) return gen;
      return (await backup.isOrphan(how.sid)) ? second.endAll(u, how) : undefined;
    },
  };
};
