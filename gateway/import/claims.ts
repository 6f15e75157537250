/**
 * Ids from other systems: `uid:{id}` leads to the account key, and to one only (ids of our own carry
 * theirs). Claimed before the record is written and given back when it is not. A claim whose account
 * never came to be, because its import ended in between, may be taken over.
 */
import type { RedisClient } from '../../shared/redis.js';
import { defineBatch } from '../../shared/redis-batch.js';
import { storeCall } from '../../shared/redis-calls.js';
import { uidKey, userKey } from '../sessions/account-keys.js';

export type Claim = { id: string; u: string };
/** new: claimed now · own: it was this account's before · taken: another account has it. */
type Claimed = 'new' | 'own' | 'taken';

/** KEYS uid. ARGV u, account whose claim may be replaced or ''. Returns '' = claimed now, else whose it is. */
const claimLua = `
if redis.call('SET', KEYS[1], ARGV[1], 'NX') then return '' end
local u = redis.call('GET', KEYS[1])
if u ~= ARGV[2] then return u end
redis.call('SET', KEYS[1], ARGV[1])
return ''`;

/** KEYS uid. ARGV u. */
const giveBackLua = `
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0`;

const lookLua = `return redis.call('GET', KEYS[1]) or ''`;

/** All functions throw store_unavailable; then all of it may be repeated. */
export const createClaims = ({ redis }: { redis: RedisClient }) => {
  const script = (name: string, lua: string) => defineBatch(redis, { name, keys: 1, lua });
  const claimAll = script('importClaim', claimLua);
  const giveBackAll = script('importGiveBack', giveBackLua);
  const lookAll = script('importLook', lookLua);
  /** Claimed by batches that have not ended: their records are not there yet to be asked. */
  const underWay = new Map<string, string>();

  /** False: another account is being imported with this id. */
  const begin = ({ id, u }: Claim): boolean => {
    if (!underWay.has(id)) underWay.set(id, u);
    return underWay.get(id) === u;
  };

  /** Whether the account that holds this id is there and known by it. */
  const isHeld = async (id: string, u: string): Promise<boolean> =>
    (await storeCall(redis.hget(userKey(u), 'user_id'))) === id;

  const settle = async (claim: Claim, holder: unknown, write: boolean): Promise<Claimed> => {
    if (holder === '') return 'new';
    if (holder === claim.u) return 'own';
    if (await isHeld(claim.id, String(holder))) return 'taken';
    if (!write) return 'new';
    const [now] = await claimAll([{ keys: [uidKey(claim.id)], args: [claim.u, String(holder)] }]);
    return now === '' ? 'new' : now === claim.u ? 'own' : 'taken';
  };

  return {
    /**
     * In order. Without `write` only looked up (who does that sees the whole file, and finds ids that are
     * named twice itself); with it, `end` must follow, also after an error.
     */
    claim: async (claims: readonly Claim[], write: boolean): Promise<Claimed[]> => {
      if (claims.length === 0) return [];
      const asked = write ? claims.filter(begin) : claims;
      const calls = asked.map(({ id, u }) => ({ keys: [uidKey(id)], args: write ? [u, ''] : [] }));
      const holders = await (write ? claimAll : lookAll)(calls);
      const holderOf = new Map(asked.map((claim, at) => [claim, holders[at]]));
      return Promise.all(
        claims.map((claim) =>
          holderOf.has(claim) ? settle(claim, holderOf.get(claim), write) : 'taken',
        ),
      );
    },

    /** Of what was claimed to be written: the records are there, or will not be. */
    end: (claims: readonly Claim[]): void => {
      for (const { id, u } of claims) if (underWay.get(id) === u) underWay.delete(id);
    },

    giveBack: async (claims: readonly Claim[]): Promise<void> => {
      if (claims.length === 0) return;
      await giveBackAll(claims.map(({ id, u }) => ({ keys: [uidKey(id)], args: [u] })));
    },
  };
};
