/**
 * What a store of password records does; `redis.ts` and `postgres.ts` do it. Every write compares
 * before it sets: on the stored hash and version (the version is the fencing token between migration and
 * password change), or on absence. All functions throw AppError store_unavailable, and writes to a table of
 * somebody else's store_refused, nothing written.
 *
 * Beside every record the account's state, `user:{u}` (gen, status, user_id), is in Redis whatever the
 * store: the gateway reads it when it makes sessions. Neither has a TTL.
 */
import type { Status } from '../../shared/status.js';

export type Norm = 'nfc' | 'raw';

export type Credential = {
  userId: string;
  /** As `readHash` reads it. */
  hash: string;
  /** The text in somebody else's table, where `hash` is our spelling of it. */
  stored?: string;
  version: string;
  norm: Norm;
  scopes: string;
  /** Id of the attempt that made the record or last changed its password. */
  attempt: string;
  gen: number;
  isActive: boolean;
  /** Attempt of a change of password that has begun and not ended: it may have been written; else empty. */
  pending: string;
  /** The normalised user name; empty in records from before it was kept. */
  name: string;
};

export type NewCredential = {
  name: string;
  userId: string;
  hash: string;
  norm: Norm;
  scopes: string;
  attempt: string;
  status: Status;
};

export type Created =
  | { outcome: 'ok'; userId: string; scopes: string; gen: number }
  | { outcome: 'exists' };

/** What a change is compared with. */
export type Seen = Pick<Credential, 'userId' | 'hash' | 'stored' | 'version'>;

/** replace-imported: also where the stored hash is still the one that the last import wrote. */
export type ImportRule = 'insert' | 'replace-imported';

export type Row<T> = { u: string; record: T };
type Scanned = { cursor: string; rows: { u: string; credential: Credential }[] };

export type Credentials = {
  /** What new hashes are made over, see policy.ts. */
  norm: Norm;
  /** `name` helps where the account key alone leads nowhere. */
  find: (u: string, name?: string) => Promise<Credential | undefined>;
  /**
   * In order, a few at a time: all of thousands at once would keep logins from the store. Looks only: an
   * account that nobody has signed in to yet leaves no state.
   */
  findMany: (rows: readonly { u: string; name: string }[]) => Promise<(Credential | undefined)[]>;
  /** Inserts. The same attempt finds its own write again. */
  create: (u: string, record: NewCredential) => Promise<Created>;
  /**
   * Imports, in order, in one round trip. The same attempt finds its own write again, so after
   * store_unavailable all of it is repeated. An account keeps the user id that it has.
   */
  createMany: (rows: readonly Row<NewCredential>[], rule: ImportRule) => Promise<Created[]>;
  /** False: the record is not what was seen any more; nothing was written. gen and attempt stay. */
  replaceHash: (u: string, seen: Seen, newHash: string, norm: Norm) => Promise<boolean>;
  /**
   * Ends everything issued before. The new gen; undefined when the record has changed or the account
   * is not active. The same attempt finds its own write again.
   */
  changePassword: (
    u: string,
    seen: Seen,
    change: { hash: string; attempt: string },
  ) => Promise<number | undefined>;
  /**
   * Ends everything issued before a change that was interrupted. The gen; undefined when that is not
   * pending any more, because it has ended by itself.
   */
  settle: (u: string, pending: string) => Promise<number | undefined>;
  /** False: there is no such record. */
  setScopes: (u: string, scopes: string) => Promise<boolean>;
  /**
   * What the record says once Redis has lost the account's state, which has been changed already. Does
   * nothing without such a record, and where it has no status of ours.
   */
  setStatus: (account: { u: string; userId: string }, status: Status) => Promise<void>;
  /** The record is gone and everything issued is dead; the generations go on. False: it was not there. */
  remove: (u: string) => Promise<boolean>;
  /**
   * '' starts, and '' in the answer ends. Every record that lives through the whole scan is seen at
   * least once; a page may be empty or somewhat longer than `limit`.
   */
  scan: (cursor: string, limit: number) => Promise<Scanned>;
};
