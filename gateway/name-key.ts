/**
 * The name key: the secret under which user names become account keys (`u`, design § 5). Made once,
 * at random, by whichever process comes first; it lives with the data and never rotates, because
 * every record hangs on it. `meta:epoch` beside it names this store: a store that lost everything, or
 * another one in its place, has another epoch.
 */
import { randomBytes } from 'node:crypto';
import { newId } from '../shared/new-id.js';
import type { RedisClient } from '../shared/redis.js';
import { confirmWrites, patiently, storeCall } from '../shared/redis-calls.js';
import type { Revocations } from './tokens/revocations.js';

const nameKeyBytes = 32;
/** Where it lives. */
export const nameKeyAt = 'meta:name-key';
const lookMs = 5000;

/** SET NX, then read back: all processes of all gateways end up with the value of the first. */
const makeOnce = async (redis: RedisClient, key: string, value: string): Promise<string> => {
  const isNew = (await storeCall(redis.set(key, value, 'NX'))) === 'OK';
  // Records will hang on it, so it must not be lost with a master.
  if (isNew) await confirmWrites(redis, key);
  return (await storeCall(redis.get(key))) ?? '';
};

/** The name of this store's life: one that lost its data has another. Throws store_unavailable. */
export const loadEpoch = async (redis: RedisClient): Promise<string> => {
  const known = await storeCall(redis.get('meta:epoch'));
  return known ?? makeOnce(redis, 'meta:epoch', newId());
};

/** 32 bytes. Throws store_unavailable, or a plain Error when the stored value is not a key of ours. */
export const loadNameKey = async ({ redis }: { redis: RedisClient }): Promise<Buffer> => {
  await loadEpoch(redis);
  const text = await makeOnce(redis, nameKeyAt, randomBytes(nameKeyBytes).toString('base64url'));
  const key = Buffer.from(text, 'base64url');
  if (key.length !== nameKeyBytes || key.toString('base64url') !== text)
    throw new Error(`${nameKeyAt} in Redis is damaged: restore it from a backup of this store`);
  return key;
};

/**
 * Puts the key back into a store that has lost it: a process that starts beside an empty one would make
 * another, and lead the same names to other accounts. Looks when the revocation log had a gap, which is in
 * the same store, and every few seconds, because in a Cluster it is on another master. Returns the end of it.
 */
export const keepNameKey = ({
  redis,
  key,
  revocations,
  log,
}: {
  redis: RedisClient;
  key: Buffer;
  revocations: Pick<Revocations, 'onGap'>;
  log: { error(fields: object, text: string): void };
}): (() => void) => {
  const own = key.toString('base64url');
  const look = async () => {
    const stored =
      (await storeCall(redis.get(nameKeyAt))) ?? (await makeOnce(redis, nameKeyAt, own));
    if (stored !== own)
      log.error(
        {},
        `${nameKeyAt} in Redis is not the key of this process, so a name leads to another account here than elsewhere: restore the one that belongs to the records, then restart every gateway`,
      );
  };
  // That the store is away is told elsewhere.
  revocations.onGap(() => void patiently(look).catch(() => {}));
  const timer = setInterval(() => void look().catch(() => {}), lookMs);
  timer.unref();
  return () => clearInterval(timer);
};
