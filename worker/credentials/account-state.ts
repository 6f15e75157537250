/**
 * The account state of records that are not in Redis: `user:{u}` (gen, status, user_id, and the attempt
 * that last raised the generation). No script can span both stores, so the order does it: a record is
 * written first and its state after, and who reads takes the state first. A change of password leaves its
 * attempt here (`pending`) before it writes: when it was interrupted, the next login ends what was issued
 * before, whether or not the new hash was written.
 */
import { AppError } from '../../shared/errors.js';
import type { RedisClient } from '../../shared/redis.js';
import { defineBatch } from '../../shared/redis-batch.js';
import { defineScript, defineStrongScript } from '../../shared/redis-calls.js';
import type { Status } from '../../shared/status.js';
import {
  adoptScript,
  beginScript,
  endScript,
  enterScript,
  firstScript,
  lookScript,
  raiseScript,
  scopesScript,
  settleScript,
} from './account-scripts.js';

export type State = {
  gen: number;
  /** Empty when nothing is known of the account. */
  status: string;
  userId: string;
  attempt: string;
  scopes: string | undefined;
  /** Of a change that has begun, and perhaps written; empty when there is none. */
  pending: string;
};

const isRow = (value: unknown): value is (string | null)[] => Array.isArray(value);

const readState = (value: unknown): State => {
  if (!isRow(value)) throw new AppError('store_unavailable', { detail: 'unexpected answer' });
  const [gen, status, userId, attempt, scopes, pending] = value;
  return {
    gen: Number(gen ?? 0),
    status: status ?? '',
    userId: userId ?? '',
    attempt: attempt ?? '',
    scopes: scopes ?? undefined,
    pending: pending ?? '',
  };
};

/** What a record says of its account; without a status where the record itself is asked at every login. */
type Owned = { userId: string; status?: Status };
type Found<T> = { state: State; record: T } | undefined;
type Entered = { u: string; userId: string; status: Status; attempt: string; endsOld: boolean };

/** What is known of an account that no state is of. */
export const noState: State = {
  ...{ gen: 0, status: '', userId: '', attempt: '', scopes: undefined, pending: '' },
};

const isOf = ({ userId, status }: State, record: Owned): boolean =>
  userId === record.userId && !['', 'deleted'].includes(status);

export const createAccountState = ({ redis }: { redis: RedisClient }) => {
  const lookAt = defineScript(redis, lookScript);
  const lookAtMany = defineBatch(redis, lookScript);
  const enterMany = defineBatch(redis, enterScript, { isStrong: true });
  const enterFirst = defineScript(redis, firstScript);
  const adoptOne = defineStrongScript(redis, adoptScript);
  const raiseOne = defineStrongScript(redis, raiseScript);
  const beginOne = defineStrongScript(redis, beginScript);
  const settleOne = defineStrongScript(redis, settleScript);
  const endOne = defineStrongScript(redis, endScript);
  const scopesOne = defineStrongScript(redis, scopesScript);
  const keyOf = (u: string): string[] => [`user:{${u}}`];

  const look = async (u: string): Promise<State> => readState(await lookAt(keyOf(u), []));

  const adopt = async (u: string, state: State, record: Owned): Promise<State> => {
    const args = [record.userId, record.status ?? 'active'];
    if (state.status === '') {
      const first = readState(await enterFirst(keyOf(u), args));
      if (isOf(first, record)) return first;
    }
    return readState(await adoptOne(keyOf(u), args));
  };

  const end = async (u: string): Promise<boolean> => (await endOne(keyOf(u), [])) === 1;

  /** State first, record second: a password that was right before a change never meets the gen after. */
  const readWith = async <T extends Owned>(
    u: string,
    readRecord: (state: State) => Promise<T | undefined>,
  ): Promise<Found<T>> => {
    const state = await look(u);
    const record = await readRecord(state);
    if (record === undefined) return undefined;
    if (isOf(state, record)) return { state, record };
    const adopted = await adopt(u, state, record);
    const again = await readRecord(adopted);
    if (again?.userId === adopted.userId) return { state: adopted, record: again };
    // It was removed meanwhile, perhaps after its state was ended.
    await end(u);
    return undefined;
  };

  /** As readWith, for who only looks: nothing is written. */
  const lookWith = async <T extends Owned>(
    u: string,
    readRecord: (state: State) => Promise<T | undefined>,
  ): Promise<Found<T>> => {
    const state = await look(u);
    const record = await readRecord(state);
    return record && { state: isOf(state, record) ? state : noState, record };
  };

  return {
    look,
    readWith,
    lookWith,
    end,

    lookMany: async (us: readonly string[]): Promise<State[]> =>
      (await lookAtMany(us.map((u) => ({ keys: keyOf(u), args: [] })))).map(readState),

    /** The generations, in order. Idempotent by attempt id. */
    enter: async (rows: readonly Entered[]): Promise<number[]> => {
      const calls = rows.map(({ u, userId, status, attempt, endsOld }) => ({
        keys: keyOf(u),
        args: [userId, status, attempt, endsOld ? 1 : 0],
      }));
      return (await enterMany(calls)).map(Number);
    },

    /** Before a new hash is written; the attempt of the last change, undefined: the account is not active. */
    begin: async (u: string, attempt: string): Promise<string | undefined> => {
      const last = await beginOne(keyOf(u), [attempt]);
      return typeof last === 'string' ? last : undefined;
    },

    /** Nothing was written after all. */
    giveUp: async (u: string, attempt: string): Promise<void> => {
      await settleOne(keyOf(u), [attempt, 0]);
    },

    /** As Credentials.settle. */
    settle: async (u: string, attempt: string): Promise<number | undefined> => {
      const gen = await settleOne(keyOf(u), [attempt, 1]);
      return typeof gen === 'string' ? Number(gen) : undefined;
    },

    raise: async (u: string, attempt: string): Promise<number | undefined> => {
      const gen = await raiseOne(keyOf(u), [attempt]);
      return typeof gen === 'string' ? Number(gen) : undefined;
    },

    setScopes: async (u: string, scopes: string): Promise<boolean> =>
      (await scopesOne(keyOf(u), [scopes])) === 1,
  };
};
