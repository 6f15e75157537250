/**
 * The one door to Redlock: "is somebody else migrating this account?", tried once and briefly. The
 * lock only saves work; the compare-and-set decides. So nothing here throws: a lock that is taken,
 * expired on arrival, late or unreachable is simply not got, and a failed release is logged.
 */
import type Redlock from 'redlock';
import type { RedisClient } from '../../shared/redis.js';

export type Lock = ReturnType<typeof createLock>;
/** `isHeld` answers by the clock: a pause of this process may have outlived the lock. */
export type Held = { isHeld: () => boolean; release: () => Promise<void> };
type Logs = { warn(fields: object, text: string): void; debug(fields: object, text: string): void };

/**
 * Redlock waits for its slowest server; clients give up on one after 100 ms. This is the net below.
 */
const defaultPatienceMs = 150;
/** The package's types know one overload of `eval` only. */
const isLockClient = (client: unknown): client is Redlock.CompatibleRedisClient =>
  typeof client === 'object' && client !== null && 'eval' in client && 'evalsha' in client;

/** Longer than a plaintext password is kept, so it does not expire under a waiting hash. */
const lifetimeMs = 4000;

export const createLock = (options: {
  clients: readonly RedisClient[];
  log: Logs;
  patienceMs?: number;
  now?: () => number;
}) => {
  const { clients, log, patienceMs = defaultPatienceMs, now = Date.now } = options;
  const servers: readonly unknown[] = clients;
  let loaded: Promise<Redlock> | undefined;

  /** With the first lock: many nodes never migrate, and loading it is a tenth of a node's start. */
  const load = async (): Promise<Redlock> => {
    const { default: Locks } = await import('redlock');
    const redlock = new Locks(servers.filter(isLockClient), { retryCount: 0, driftFactor: 0.01 });
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

  /** The lock, or undefined after at most `patienceMs`. */
  const tryLock = async (name: string): Promise<Held | undefined> => {
    loaded ??= load();
    const redlock = await loaded;
    return new Promise((resolve) => {
      let isLate = false;
      const timer = setTimeout(() => {
        isLate = true;
        resolve(undefined);
      }, patienceMs);
      redlock.lock(name, lifetimeMs).then(
        (lock) => {
          clearTimeout(timer);
          if (isLate || lock.expiration <= now()) void release(lock);
          resolve(isLate ? undefined : hold(lock));
        },
        () => {
          clearTimeout(timer);
          resolve(undefined);
        },
      );
    });
  };

  return { tryLock };
};
