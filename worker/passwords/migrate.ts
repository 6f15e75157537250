/**
 * Replaces an outdated hash by a current one, after the answer to the login that proved the password:
 *
 *   room? ─▶ lock `migrate:{u}` ─▶ read again ─▶ hash, in an idle thread ─▶ compare-and-set
 *
 * It never delays or fails a login and never undoes a password change: the compare-and-set on hash and
 * version is the guarantee, the lock saves work. Whatever does not work out is left to the next login.
 * The plaintext is held for at most two seconds: after that the queue drops the job.
 *
 * The new hash covers the password as it was typed, in full. Where the old one did not (bcrypt ends
 * after 72 bytes, so the rest was never checked), what was typed now is what counts from now on: the
 * record is not kept weak for the sake of bytes that nobody ever checked. Where the old one passes over
 * spaces at either end (WordPress trims them, MySQL skips all), one that has some there is a slip of this one
 * login, and the record waits for a login without.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { codeOf } from '../../shared/errors.js';
import type { Credential, Credentials } from '../credentials/credentials.js';
import type { Admission, Ticket } from './admission.js';
import type { StoredHash } from './formats/format.js';
import type { Lock } from './lock.js';
import { type Policy, toOpaque } from './policy.js';

/**
 * skipped_busy: somebody is at this account already · skipped_room: the node has other work ·
 * skipped_typed: the old hash passes over some of what was typed · skipped_lock: no majority of lock
 * servers, or the lock expired meanwhile · lost_race: the record had changed · failed: the store or a
 * thread did, or the replicas did not confirm.
 */
export type MigrationOutcome =
  | 'migrated'
  | 'skipped_busy'
  | 'skipped_room'
  | 'skipped_typed'
  | 'skipped_lock'
  | 'lost_race'
  | 'failed';
export type Migrate = ReturnType<typeof createMigrate>;
type Logs = { warn(fields: object, text: string): void };

const holdMs = 2000;
const maxAtOnce = 32;

export const createMigrate = (options: {
  credentials: Pick<Credentials, 'find' | 'replaceHash'>;
  admission: Pick<Admission, 'enter' | 'run' | 'leave' | 'hasRoom'>;
  lock: Lock;
  policy: Policy;
  count: (outcome: MigrationOutcome) => void;
  log: Logs;
  now?: () => number;
}) => {
  const { credentials, admission, lock, policy, count, log } = options;
  const now = options.now ?? performance.now.bind(performance);
  const running = new Map<string, Promise<void>>();

  /** Throws AppError overloaded, nothing done, when logins have taken the thread meanwhile. */
  const hashOf = async (password: string, deadlineAt: number): Promise<string | undefined> => {
    let ticket: Ticket | undefined;
    try {
      ticket = admission.enter({ class: 'migration', deadlineAt, isGone: () => false });
      const hash = await admission.run(ticket, policy.hashWork(password), policy.cost);
      return typeof hash === 'string' ? hash : undefined;
    } finally {
      if (ticket !== undefined) admission.leave(ticket);
    }
  };

  const replace = async (
    u: string,
    seen: Credential,
    password: string,
  ): Promise<MigrationOutcome> => {
    const deadlineAt = now() + holdMs;
    if (!admission.hasRoom()) return 'skipped_room';
    const held = await lock.tryLock(`migrate:{${u}}`);
    if (held === 'taken') return 'skipped_busy';
    if (held === 'unreachable') return 'skipped_lock';
    try {
      const current = await credentials.find(u);
      if (current?.hash !== seen.hash || current.version !== seen.version) return 'lost_race';
      const hash = await hashOf(password, deadlineAt);
      if (hash === undefined) return 'failed';
      if (!held.isHeld()) return 'skipped_lock';
      return (await credentials.replaceHash(u, seen, hash, policy.norm)) ? 'migrated' : 'lost_race';
    } finally {
      await held.release();
    }
  };

  const migrate = async (u: string, seen: Credential, password: string): Promise<void> => {
    try {
      count(await replace(u, seen, password));
    } catch (err) {
      const isFull = codeOf(err) === 'overloaded';
      count(isFull ? 'skipped_room' : 'failed');
      if (!isFull) log.warn({ user_id: seen.userId, err }, 'migration failed');
    } finally {
      running.delete(u);
    }
  };

  /**
   * Call it with a password that was verified against `hash`. Never throws; what cannot be done now
   * is left to the next login.
   */
  const schedule = (u: string, seen: Credential, hash: StoredHash, password: string): void => {
    if (!hash.needsRehash(policy.target)) return;
    const text = seen.norm === 'raw' ? password : toOpaque(password);
    if (hash.ignores(text)) count('skipped_typed');
    else if (running.has(u)) count('skipped_busy');
    else if (running.size >= maxAtOnce) count('skipped_room');
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
