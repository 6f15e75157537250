/**
 * The one door to Redlock: "is somebody else migrating this account?", tried once and briefly. The
 * lock only saves work; the compare-and-set decides. So nothing here throws: a lock that is taken,
 * expired on arrival, late or unreachable is simply not got, and a failed release is logged.
 */
import type Redlock from 'redlock';
import { whenLate } from '../../shared/late.js';
import type { RedisClient } from '../../shared/redis.js';

export type Lock = ReturnType<typeof createLock>;
/** `isHeld` answers by the clock: a pause of this process may have outlived the lock. */
export type Held = { isHeld: () => boolean; release: () => Promise<void> };
/** taken: somebody has it · unreachable: fewer than half of the servers answered, or too late. */
export type Refused = 'taken' | 'unreachable';
type Logs = { warn(fields: object, text: string): void; debug(fields: object, text: string): void };
/** How Redlock calls a server. */
type Done = (error: Error | null, result?: unknown) => void;
type Args = [keys: number, ...rest: (string | number)[]];
type Server = Redlock.CompatibleRedisClient & {
  evalsha: (hash: string, args: Args, done: Done) => void;
};

/**
 * Redlock waits for its slowest server; clients give up on one after 100 ms. This is the net below.
 */
const defaultPatienceMs = 150;
/** Longer than a plaintext password is kept, so it does not expire under a waiting hash. */
const lifetimeMs = 4000;

/** A lock server that tells when it answers: Redlock does not say why there was no lock. */
const watch = (client: RedisClient, onAnswer: () => void): Server => {
  /** What `done` returns is a promise of Redlock's own, which is nobody's to wait for. */
  const settle = (call: Promise<unknown>, done: Done) =>
    call.then(
      (result) => {
        onAnswer();
        done(null, result);
      },
      (error: unknown) => {
        done(error instanceof Error ? error : new Error('no answer'));
      },
    );
  return {
    evalsha: (hash, args, done) => void settle(client.evalsha(hash, ...args), done),
    // Redlock puts the script in front of the same arguments; the package's types say less.
    eval: ([script = '', keys = 1, ...rest], done = () => {}) =>
      void settle(client.eval(String(script), Number(keys), ...rest), done),
  };
};

export const createLock = (options: {
  clients: readonly RedisClient[];
  log: Logs;
  patienceMs?: number;
  now?: () => number;
}) => {
  const { clients, log, patienceMs = defaultPatienceMs, now = Date.now } = options;
  const majority = Math.floor(clients.length / 2) + 1;
  let loaded: Promise<{ default: typeof Redlock }> | undefined;

  /** Loaded with the first lock: many nodes never migrate, and it is a tenth of a node's start. */
  const create = async (answered: Set<RedisClient>): Promise<Redlock> => {
    loaded ??= import('redlock');
    const { default: Locks } = await loaded.catch((error: unknown) => {
      // Tried again by the next one: a build that is being replaced lacks it for a moment.
      loaded = undefined;
      throw error;
    });
    const servers = clients.map((client) => watch(client, () => answered.add(client)));
    const redlock = new Locks(servers, { retryCount: 0, driftFactor: 0.01 });
    // One server of several failing is normal for Redlock, and told here or nowhere.
    redlock.on('clientError', (err) => log.debug({ err }, 'lock server failed'));
    return redlock;
  };

  const release = async (lock: Redlock.Lock): Promise<void> => {
    try {
      await lock.unlock();
    } catch (err) {
      log.debug({ err }, 'lock was not released, it will expire');
    }
  };

  const hold = (lock: Redlock.Lock): Held => {
    // Redlock zeroes the field when it releases.
    const { expiration } = lock;
    return { isHeld: () => now() < expiration, release: () => release(lock) };
  };

  /** The lock, or why not, after at most `patienceMs`. */
  const tryLock = async (name: string): Promise<Held | Refused> => {
    const answered = new Set<RedisClient>();
    const redlock = await create(answered);
    return new Promise((resolve) => {
      let isLate = false;
      const stopWaiting = whenLate(patienceMs, () => {
        isLate = true;
        resolve('unreachable');
      });
      redlock.lock(name, lifetimeMs).then(
        (lock) => {
          stopWaiting();
          if (isLate) void release(lock);
          else resolve(hold(lock));
        },
        () => {
          stopWaiting();
          resolve(answered.size < majority ? 'unreachable' : 'taken');
        },
      );
    });
  };

  return { tryLock };
};
