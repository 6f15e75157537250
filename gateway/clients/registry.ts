/**
 * The OAuth clients, one field each of the hash `clients` in Redis. A change is a compare-and-set on
 * the whole record, so of two administrators none undoes what the other did. A secret exists in full
 * only in the answer that makes it.
 */
import { randomBytes } from 'node:crypto';
import { AppError } from '../../shared/errors.js';
import { newId } from '../../shared/new-id.js';
import type { RedisClient } from '../../shared/redis.js';
import {
  confirmWrites,
  defineStrongScript,
  evenWhenFull,
  storeCall,
} from '../../shared/redis-calls.js';
import { type ClientRecord, digestSecret, parseRecord } from './record.js';

const clientsKey = 'clients';

/**
 * KEYS: clients. ARGV: id, the record that was read (empty: none), the new one. Returns 1 when it was
 * replaced, 0 when it is another by now.
 */
const swapLua = `
if (redis.call('HGET', KEYS[1], ARGV[1]) or '') ~= ARGV[2] then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
return 1`;

export type StoredClient = ClientRecord & { id: string };
export type ClientRegistry = ReturnType<typeof createClientRegistry>;
type Wanted = Omit<ClientRecord, 'gen' | 'created_at' | 'secrets' | 'status'>;

/** Two live secrets: the new one, and the one before while its users change over. */
const maxSecrets = 2;

export const createClientRegistry = ({
  redis,
  now = Date.now,
}: {
  redis: RedisClient;
  now?: () => number;
}) => {
  // A full store must not keep a client alive that is disabled.
  const swap = defineStrongScript(redis, { name: 'swapClient', lua: evenWhenFull(swapLua) });

  const makeSecret = () => {
    const secret = randomBytes(32).toString('base64url');
    const hash = digestSecret(secret).toString('base64url');
    return { secret, stored: { hash, created_at: now() } };
  };

  /** Repeats `change` until nobody else wrote meanwhile; throws not_found. */
  const update = async (
    id: string,
    change: (record: ClientRecord) => ClientRecord,
  ): Promise<StoredClient> => {
    for (;;) {
      const text = await storeCall(redis.hget(clientsKey, id));
      if (text === null) throw new AppError('not_found');
      const record = change(parseRecord(text));
      const isSwapped = await swap([clientsKey], [id, text, JSON.stringify(record)]);
      if (isSwapped === 1) return { id, ...record };
    }
  };

  return {
    update,

    find: async (id: string): Promise<StoredClient | undefined> => {
      const text = await storeCall(redis.hget(clientsKey, id));
      return text === null ? undefined : { id, ...parseRecord(text) };
    },

    /** Oldest first. */
    list: async (): Promise<StoredClient[]> => {
      const all = Object.entries(await storeCall(redis.hgetall(clientsKey)));
      const clients = all.map(([id, text]) => ({ id, ...parseRecord(text) }));
      return clients.sort((a, b) => a.created_at - b.created_at || (a.id < b.id ? -1 : 1));
    },

    /** The client and, unless it has keys of its own, its secret, which cannot be had again. */
    create: async (wanted: Wanted): Promise<{ client: StoredClient; secret?: string }> => {
      const id = `c_${newId()}`;
      const { secret, stored } = makeSecret();
      const hasSecret = wanted.auth !== 'private_key_jwt';
      const secrets = hasSecret ? [stored] : [];
      const common = { status: 'active', gen: 1, created_at: now(), secrets } as const;
      const record: ClientRecord = { ...wanted, ...common };
      await swap([clientsKey], [id, '', JSON.stringify(record)]);
      const client = { id, ...record };
      return hasSecret ? { client, secret } : { client };
    },

    /** A further secret; of the older ones the newest goes on being valid. Throws not_found. */
    addSecret: async (id: string): Promise<{ client: StoredClient; secret: string }> => {
      const { secret, stored } = makeSecret();
      const client = await update(id, (record) => {
        if (record.auth === 'private_key_jwt')
          throw new AppError('bad_request', { reason: 'client_without_secret' });
        return { ...record, secrets: [stored, ...record.secrets].slice(0, maxSecrets) };
      });
      return { client, secret };
    },

    /** Ends a rotation: only the newest secret is left. Throws not_found. */
    dropOldSecrets: (id: string): Promise<StoredClient> =>
      update(id, (record) => ({ ...record, secrets: record.secrets.slice(0, 1) })),

    /** False when there was none. */
    remove: async (id: string): Promise<boolean> => {
      const count = await storeCall(redis.hdel(clientsKey, id));
      await confirmWrites(redis, clientsKey);
      return count === 1;
    },
  };
};
