/**
 * Where the keyring is kept: one string in Redis (`keyring`), sealed. The first process makes it
 * (SET NX), and nobody changes it but by compare-and-set, so that two changes never become one.
 */
import type { RedisClient } from '../../shared/redis.js';
import {
  confirmWrites,
  defineStrongScript,
  evenWhenFull,
  storeCall,
} from '../../shared/redis-calls.js';
import type { MacEntry } from './mac-ring.js';
import { isRing, type Ring } from './ring.js';
import { createSeal } from './seal.js';

/** Where it lives. */
export const keyringKey = 'keyring';

/**
 * Replaces the keyring if nobody else did meanwhile.
 * KEYS: keyring. ARGV: the text that was read, the new text. Returns 1 when replaced, else 0.
 */
const swapLua = `
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2])
return 1`;

/** The first rings had no times for these keys: they signed since ever. */
const withTimes = (entries: readonly MacEntry[]): MacEntry[] =>
  entries.map((entry) => ({ ...{ created_at: 0, signs_from: 0 }, ...entry }));

/** A ring and its text in the store. `isPreviousKey`: to be sealed anew. */
export type Stored = { text: string; ring: Ring; isPreviousKey: boolean };
export type RingStore = ReturnType<typeof createRingStore>;

export const createRingStore = ({
  redis,
  keks,
}: {
  redis: RedisClient;
  keks: readonly [Buffer, ...Buffer[]];
}) => {
  // A full store must not keep a stolen key alive.
  const swap = defineStrongScript(redis, { name: 'swapKeyring', lua: evenWhenFull(swapLua) });
  const { seal, open } = createSeal(keks);

  const unseal = (text: string): Stored => {
    const { plain, isPreviousKey } = open(text);
    // Only a holder of the key can have written it, so it is JSON.
    const ring: unknown = JSON.parse(plain);
    if (!isRing(ring)) throw new Error('the keyring in Redis is not one');
    const [refresh, device] = [withTimes(ring.refresh), withTimes(ring.device)];
    return { text, ring: { ...ring, refresh, device }, isPreviousKey };
  };

  const sealed = (ring: Ring): Stored => ({
    text: seal(JSON.stringify(ring)),
    ring,
    isPreviousKey: false,
  });

  return {
    /**
     * What is stored; `known` itself when that has not changed, which costs one GET. Throws
     * store_unavailable, or a plain Error when the text does not open.
     */
    read: async (known?: Stored): Promise<Stored | undefined> => {
      const text = await storeCall(redis.get(keyringKey));
      if (text === null) return undefined;
      return text === known?.text ? known : unseal(text);
    },

    /** Nothing happens when there is one. */
    create: async (ring: Ring): Promise<void> => {
      const made = await storeCall(redis.set(keyringKey, sealed(ring).text, 'NX'));
      // Tokens will hang on it, so it must not be lost with a master.
      if (made === 'OK') await confirmWrites(redis, keyringKey);
    },

    /** The new one as stored; undefined when somebody else was faster. */
    replace: async (old: Stored, ring: Ring): Promise<Stored | undefined> => {
      const next = sealed(ring);
      return (await swap([keyringKey], [old.text, next.text])) === 1 ? next : undefined;
    },

    /** For a store that lost the keyring, or went back to an older one. */
    restore: async (found: Stored | undefined, ours: Stored): Promise<void> => {
      if (found === undefined) await storeCall(redis.set(keyringKey, ours.text, 'NX'));
      else await swap([keyringKey], [found.text, ours.text]);
    },
  };
};
