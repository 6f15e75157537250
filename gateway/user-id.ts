/** Ids of users: those that register here, and those that came with them. */
import { randomBytes } from 'node:crypto';
import { isReserved } from '../shared/reserved.js';

/**
 * `u_` + account key + 10 random characters: the account is part of the id, so no index leads from
 * id to account, and an account made anew under the same name has another id.
 */
export const newUserId = (u: string): string =>
  `u_${u}${randomBytes(8).toString('base64url').slice(0, 10)}`;

/** The account key in an id of ours; undefined for an imported one, which the `uid` index knows. */
export const accountIn = (userId: string): string | undefined =>
  /^u_([\w-]{22})[\w-]{10}$/.exec(userId)?.[1];

export const isUserId = (id: string): boolean =>
  /^[A-Za-z0-9._:@|-]{1,128}$/.test(id) && !isReserved(id);

/** An id that another system gave. Ids of ours, of users and of clients, begin with their letter. */
export const isForeignId = (id: string): boolean => isUserId(id) && !/^[uc]_/.test(id);
