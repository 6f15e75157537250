/**
 * The keyring of this process: opened once, read again when told (rotation.ts says when), changed by
 * compare-and-set only, so that exactly one process makes the next key. What the rules are is in
 * ring.ts, where it is kept in ring-store.ts, what is done with the keys in live-keys.ts.
 * Private keys never leave the gateway.
 */
import { AppError, isAppError } from '../../shared/errors.js';
import type { RedisClient } from '../../shared/redis.js';
import type { SigningAlg } from './algorithms.js';
import { describeMacs, describeSigning } from './describe-keys.js';
import { createLiveKeys, type SigningKey } from './live-keys.js';
import { keepLiveMacs, type MacPurpose, rotateMacs } from './mac-ring.js';
import { createReread } from './reread.js';
import {
  findNewest,
  isDue,
  keepLive,
  leadOf,
  makeRing,
  makeSigning,
  type Ring,
  type SigningEntry,
  serialOf,
  startOf,
  withMacs,
  withSigning,
} from './ring.js';
import { createRingStore, type RingStore, type Stored } from './ring-store.js';

export type { SigningAlg } from './algorithms.js';
export type { SigningKey, VerifyingKey } from './live-keys.js';
export type Keyring = Awaited<ReturnType<typeof loadKeys>>;

/** Others may be faster with a change, but not for ever. */
const maxTries = 10;

const countKeys = ({ signing, refresh, device }: Ring): number =>
  signing.length + refresh.length + device.length;

/** The stored ring; the first process makes it. */
const openRing = async (store: RingStore, alg: SigningAlg, now: () => number): Promise<Stored> => {
  for (let tries = 0; tries < maxTries; tries++) {
    const found = await store.read();
    if (found !== undefined) return found;
    await store.create(await makeRing(alg, now));
  }
  throw new AppError('store_unavailable', { detail: 'the keyring does not stay' });
};

/** A key that the ring has, or will have: one, however often its change must be tried. */
const createMaker = (alg: SigningAlg, now: () => number, leadMs: number) => {
  let made: Promise<SigningEntry> | undefined;
  return async (ring: Ring): Promise<Ring> => {
    made ??= makeSigning(alg, { now, leadMs });
    return withSigning(ring, [await made, ...ring.signing]);
  };
};

/**
 * Opens the keyring, with a key for `alg` in it. Throws store_unavailable, or a plain Error that says
 * what is wrong with the key encryption key; either way the process must not serve.
 */
export const loadKeys = async ({
  redis,
  kek,
  previousKek,
  alg = 'EdDSA',
  intervalMs = 0,
  now = Date.now,
}: {
  redis: RedisClient;
  kek: Buffer;
  previousKek?: Buffer | undefined;
  alg?: SigningAlg;
  /** The age at which `renew` replaces a key; 0 = never. */
  intervalMs?: number;
  now?: () => number;
}) => {
  const keks = [kek, ...(previousKek === undefined ? [] : [previousKek])] as const;
  const store = createRingStore({ redis, keks });
  const live = createLiveKeys({ alg, now });
  const leadMs = leadOf(intervalMs);
  let current = await openRing(store, alg, now);
  live.take(current.ring);

  const take = (stored: Stored) => {
    live.take(stored.ring);
    current = stored;
  };

  /** A store that lost the ring, or is a replica from before its last change, gets ours again. */
  const read = async () => {
    const found = await store.read(current);
    if (found === undefined || serialOf(found.ring) < serialOf(current.ring))
      await store.restore(found, current);
    else if (found !== current) take(found);
  };

  /** Takes in what other processes changed. Throws store_unavailable; then the keys stay as they are. */
  const reload = async (): Promise<void> => {
    try {
      await read();
    } catch (cause) {
      throw isAppError(cause) ? cause : new AppError('store_unavailable', { cause });
    }
  };

  /** The same for a key id that is not in the ring, at most once a second. */
  const reread = createReread({ reload, now });

  /** `edit` sees the newest ring; undefined leaves it as it is. True when this call changed it. */
  const change = async (edit: (ring: Ring) => Promise<Ring> | Ring | undefined) => {
    for (let tries = 0; tries < maxTries; tries++) {
      await reload();
      const seen = current;
      const ring = await edit(seen.ring);
      if (ring === undefined) return false;
      const next = await store.replace(seen, ring);
      if (next === undefined) continue;
      take(next);
      return true;
    }
    throw new AppError('store_unavailable', { detail: 'the keyring keeps changing' });
  };

  const isWaiting = (ring: Ring): boolean => {
    const newest = findNewest(ring, alg);
    return newest !== undefined && startOf(newest) > now();
  };

  /**
   * A new signing key: published now, signing when everybody knows it. One that still waits for its
   * turn is that key, so a repeat makes no second one. True when this call made it.
   */
  const rotate = async (): Promise<boolean> => {
    const withNew = createMaker(alg, now, leadMs);
    return change((ring) => (isWaiting(ring) ? undefined : withNew(ring)));
  };

  /** Sees to it that without `kid` there is a key of ours that signs within `soonMs`. */
  const replace = async (kid: string, soonMs: number): Promise<boolean> => {
    const withNew = createMaker(alg, now, soonMs);
    const at = now() + soonMs;
    return change((ring) => {
      const newest = findNewest(ring, alg);
      if (newest === undefined || newest.kid === kid) return withNew(ring);
      if (startOf(newest) <= at) return undefined;
      const rest = ring.signing.filter((entry) => entry !== newest);
      return withSigning(ring, [{ ...newest, signs_from: at }, ...rest]);
    });
  };

  /** Takes a key out of the ring: nothing it signed is valid where the ring is known. Repeatable. */
  const drop = (kid: string): Promise<boolean> =>
    change((ring) => {
      const rest = ring.signing.filter((entry) => entry.kid !== kid);
      if (rest.length === 0) throw new AppError('internal', { detail: 'the only key' });
      return rest.length === ring.signing.length ? undefined : withSigning(ring, rest);
    });

  /** Without the keys that nobody needs, and under the current key encryption key. */
  const withoutDead = (ring: Ring): Ring | undefined => {
    const signing = keepLive(ring, { intervalMs, nowMs: now() });
    const [refresh, device] = [keepLiveMacs(ring.refresh, now()), keepLiveMacs(ring.device, now())];
    const kept = { ...ring, signing, refresh, device };
    const isClean = countKeys(kept) === countKeys(ring) && !current.isPreviousKey;
    return isClean ? undefined : withSigning(kept, signing);
  };

  /**
   * A new key for refresh or device tokens; `keepMs`: how long at most what the old one signed may be
   * presented. One that waits for its turn is that key. True when this call made it.
   */
  const rotateMac = (purpose: MacPurpose, keepMs: number): Promise<boolean> =>
    change((ring) => {
      const entries = rotateMacs(ring[purpose], { nowMs: now(), keepMs });
      return entries && withMacs(ring, { [purpose]: entries });
    });

  // After a change of algorithm the old key signs on until everybody knows the new one.
  if (findNewest(current.ring, alg) === undefined) await rotate();

  return {
    /** Whose turn it is; another one later. */
    get signing(): SigningKey {
      return live.signing();
    },
    verifying: live.verifying,
    jwks: live.jwks,
    mac: live.mac,
    checkMac: live.checkMac,

    /** The same, also under a key that others have made meanwhile. Throws store_unavailable. */
    confirmMac: async (
      purpose: MacPurpose,
      ...given: [keyId: string, text: string, claimed: string]
    ): Promise<boolean> => {
      if (!live.hasMac(purpose, given[0])) await reread();
      return live.checkMac(purpose, ...given);
    },

    reload,
    reread,
    rotate,
    rotateMac,
    replace,
    drop,

    /**
     * What is due by the clock: reads the ring again, makes the next key, lets go of dead ones, seals
     * anew what the previous key encryption key sealed. True when it made a key.
     */
    renew: async (): Promise<boolean> => {
      await reload();
      const isMade = isDue(current.ring, alg, { intervalMs, nowMs: now() }) && (await rotate());
      if (withoutDead(current.ring) !== undefined) await change(withoutDead);
      return isMade;
    },

    /** Grows with every change of the ring. */
    serial: (): number => serialOf(current.ring),

    list: () => describeSigning(current.ring, live.signing().kid, now()),
    listMacs: () => describeMacs(current.ring, now()),
  };
};
