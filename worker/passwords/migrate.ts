/**
 * Replaces an outdated hash by a current one, after the answer to the login that proved the password:
 *
 *   room? ─▶ lock `migrate:{u}` ─▶ read again ─▶ hash ─▶ compare-and-set on hash and version
 *
 * It never delays or fails a login and never undoes a password change: the compare-and-set is the
 * guarantee. Whatever does not work out is left to the next login. The plaintext is held for at most
 * two seconds: after that the queue drops the job.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { codeOf } from '../../shared/errors.js';
import type { Credential, Credentials } from '../credentials/credentials.js';
import type { Admission, Ticket } from './admission.js';
import type { StoredHash } from './formats/format.js';
import type { Lock } from './lock.js';
import type { Policy } from './policy.js';

/** busy: no room for it now · lock: somebody else is at it · lost: the record had changed. */
export type MigrationOutcome = 'migrated' | 'busy' | 'lock' | 'lost' | 'failed';
export type Migrate = ReturnType<typeof createMigrate>;
type Logs = { warn(fields: object, text: string): void };

const holdMs = 2000;
const maxAtOnce = 32;

export const createMigrate = (options: {
  credentials: Credentials;
  admission: Admission;
  lock: Lock;
  policy: Policy;
  count: (outcome: MigrationOutcome) => void;
  log: Logs;
  now?: () => number;
}) => {
  const { credentials, admission, lock, policy, count, log } = options;
  const now = options.now ?? performance.now.bind(performance);
  const running = new Map<string, Promise<void>>();

  const replace = async (
    u: string,
    seen: Credential,
    password: string,
    ticket: Ticket,
  ): Promise<MigrationOutcome> => {
    const held = await lock.tryLock(`migrate:{${u}}`);
    if (held === undefined) return 'lock';
    try {
      const current = await credentials.find(u);
      if (current?.hash !== seen.hash || current.version !== seen.version) return 'lost';
      const hash = await admission.run(ticket, policy.hashWork(password), policy.cost);
      if (typeof hash !== 'string') return 'failed';
      if (!held.isHeld()) return 'lock';
      return (await credentials.replaceHash(u, seen, hash)) ? 'migrated' : 'lost';
    } finally {
      await held.release();
    }
  };

  const migrate = async (u: string, seen: Credential, password: string): Promise<void> => {
    let ticket: Ticket | undefined;
    try {
      // Its own class gets in only while there is hardly a queue.
      ticket = admission.enter('migration', now() + holdMs, () => false);
      count(await replace(u, seen, password, ticket));
    } catch (err) {
      const isBusy = codeOf(err) === 'overloaded';
      count(isBusy ? 'busy' : 'failed');
      if (!isBusy) log.warn({ user_id: seen.userId, err }, 'migration failed');
    } finally {
      if (ticket !== undefined) admission.leave(ticket);
      running.delete(u);
    }
  };

  /**
   * Call it with a password that was verified against `hash`. Never throws; what cannot be done now
   * is left to the next login.
   */
  const schedule = (u: string, seen: Credential, hash: StoredHash, password: string): void => {
    if (!hash.needsRehash(policy.target) || running.has(u)) return;
    if (running.size >= maxAtOnce) count('busy');
    // The answer leaves first.
    else
      running.set(
        u,
        nextTurn().then(() => migrate(u, seen, password)),
      );
  };

  return {
    schedule,
    /** Resolves when no migration runs any more. */
    idle: async (): Promise<void> => {
      await Promise.all(running.values());
    },
  };
};
