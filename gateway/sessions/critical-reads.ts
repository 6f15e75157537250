/**
 * Critical sessions, looked at: cookies, introspection and access tokens that were revoked one by one. As in
 * critical.ts the main store is asked first and is the authority; the backup answers for a critical session
 * when the main store is down or new.
 */
import { passOver } from '../../shared/errors.js';
import type { Log } from '../../shared/log.js';
import type { Revoked } from '../tokens/revoked.js';
import type { BackupStore } from './backup.js';
import type { CookieStore } from './cookie-store.js';
import { isCritical, sessionIdOf } from './session-id.js';
import type { LookAtSession } from './session-look.js';

const orDown = passOver('store_unavailable');

/** `store` on the main store, `second` on the backup. */
export const createCriticalCookieStore = ({
  store,
  second,
  backup,
  log,
}: {
  store: CookieStore;
  second: CookieStore;
  backup: BackupStore;
  log: Pick<Log, 'warn'>;
}): CookieStore => {
  /** Undefined when the main store is down or new. */
  const checkMain = async (cookie: string, sessionId: string) => {
    const state = await store.check(cookie).catch(orDown);
    if (state?.outcome !== 'ended') return state;
    return (await backup.isOrphan(sessionId)) ? undefined : state;
  };

  /** Or the copy would end by disuse while the session is in use. */
  const copyUse = (sessionId: string) =>
    backup.copy(sessionId).catch((err: unknown) => {
      log.warn(
        { err, session_id: sessionId },
        'the use of a session did not reach the backup store',
      );
    });

  return {
    noteMs: store.noteMs,

    check: async (cookie) => {
      const sessionId = sessionIdOf(cookie);
      if (!isCritical(sessionId)) return store.check(cookie);
      const state = await checkMain(cookie, sessionId);
      if (state === undefined) {
        const copy = await second.check(cookie);
        // Not as stale, which tells the log the generation: one of the backup is no number of a new main store.
        return copy.outcome === 'stale' ? { outcome: 'ended' } : copy;
      }
      if (state.outcome === 'ok' && state.isNoted) void copyUse(sessionId);
      return state;
    },
  };
};

export const createCriticalLook =
  ({
    look,
    second,
    backup,
  }: {
    look: LookAtSession;
    second: LookAtSession;
    backup: BackupStore;
  }): LookAtSession =>
  async (sessionId) => {
    if (!isCritical(sessionId)) return look(sessionId);
    const main = await look(sessionId).then((seen) => ({ seen }), orDown);
    if (main?.seen !== undefined) return main.seen;
    const isForBackup = main === undefined || (await backup.isOrphan(sessionId));
    return isForBackup ? second(sessionId) : undefined;
  };

/** Tokens of critical sessions are written down in both stores, and what either has counts. */
export const createCriticalRevoked = ({
  revoked,
  second,
}: {
  revoked: Revoked;
  second: Revoked;
}): Revoked => ({
  add: async (token) => {
    await revoked.add(token);
    if (isCritical(token.sid)) await second.add(token);
  },

  /**
   * While one of the two is away the other one's word counts; that a main store without data knows of
   * nothing does no harm, because the session is looked at as well.
   */
  has: async (token) => {
    if (!isCritical(token.sid)) return revoked.has(token);
    const [main, backup] = await Promise.all([
      revoked.has(token).catch(orDown),
      second.has(token).catch(orDown),
    ]);
    if (main === undefined && backup === undefined) return revoked.has(token);
    return main === true || backup === true;
  },
});
