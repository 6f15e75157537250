/**
 * What the store has of one account, `u`: all of it under the account's hash tag, so that a script may touch
 * it in one step, on a Cluster too.
 */

/** Generation, status, user id, scopes. */
export const userKey = (u: string): string => `user:{${u}}`;

/** The account of an id that does not carry it: one from another system. */
export const uidKey = (id: string): string => `uid:${id}`;

/** One hash per session; `id`: the random part of its id. */
export const sessionPrefix = (u: string): string => `sess:{${u}}:`;
export const sessionKey = (u: string, id: string): string => sessionPrefix(u) + id;

/** Ids of the sessions, by last use. */
export const indexKey = (u: string): string => `idx:{${u}}`;

/** Ids of ended sessions whose end may not be in the revocation log yet. */
export const goneKey = (u: string): string => `idx:{${u}}:gone`;

/** The one reset token. */
export const resetKey = (u: string): string => `reset:{${u}}`;

/** In the order in which the scripts of sessions want them. */
export const sessionKeys = (
  u: string,
  id: string,
): [user: string, session: string, index: string] => [userKey(u), sessionKey(u, id), indexKey(u)];
