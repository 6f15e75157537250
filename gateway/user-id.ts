/** Ids of users that register here. */
import { randomBytes } from 'node:crypto';

/**
 * `u_` + account key + 10 random characters: the account is part of the id, so no index leads from
 * id to account, and an account made anew under the same name has another id.
 */
export const newUserId = (u: string): string =>
  `u_${u}${randomBytes(8).toString('base64url').slice(0, 10)}`;

/** The account key in an id of ours; undefined for an imported one, which the `uid` index knows. */
export const accountIn = (userId: string): string | undefined =>
  /^u_([\w-]{22})[\w-]{10}$/.exec(userId)?.[1];
