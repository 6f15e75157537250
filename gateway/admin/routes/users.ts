/**
 * POST /users: one user with a hash that another system made. The node reads and bounds the hash
 * before it is stored; it is verified and migrated at the user's next login. Insert only. The answer has
 * the id that the account got: a table of an operator's own may give ids of its own.
 */
import { randomBytes } from 'node:crypto';
import { AppError, codeOf } from '../../../shared/errors.js';
import { invalidField, isScopes, readFields, readOneOf } from '../../../shared/fields.js';
import type { Route } from '../../../shared/http.js';
import type { RedisClient } from '../../../shared/redis.js';
import { storeCall } from '../../../shared/redis-calls.js';
import type { Job, Nodes } from '../../nodes/submit.js';
import { isForeignId, newUserId } from '../../user-id.js';
import type { Accounts } from '../../username.js';

const fields = {
  username: true,
  hash: true,
  user_id: false,
  scopes: false,
  status: false,
} as const;
const statuses = ['active', 'disabled'] as const;
const deadlineMs = 2500;

export const createUserRoutes = ({
  redis,
  nodes,
  accounts,
  defaultScopes,
}: {
  redis: RedisClient;
  nodes: Pick<Nodes, 'submit'>;
  accounts: Accounts;
  defaultScopes: string;
}): Route[] => {
  /** An imported id leads to its account, and to one only. Ids of our own carry their account. */
  const claimId = async (userId: string, u: string) => {
    if (!isForeignId(userId)) throw invalidField('user_id');
    const key = `uid:${userId}`;
    const isNew = (await storeCall(redis.set(key, u, 'NX'))) === 'OK';
    if (!isNew && (await storeCall(redis.get(key))) !== u) throw new AppError('account_exists');
    return { userId, giveBack: () => (isNew ? storeCall(redis.del(key)) : 0) };
  };

  /** The verdict; an id that was claimed and is not the account's now is free again. */
  const importWith = async (claim: Awaited<ReturnType<typeof claimId>> | undefined, job: Job) => {
    try {
      const verdict = await nodes.submit(job);
      const hasIt = verdict.outcome === 'ok' && verdict.user_id === claim?.userId;
      if (!hasIt) await claim?.giveBack();
      return verdict;
    } catch (error) {
      // Only what the node refused is known not to have been written.
      if (codeOf(error) === 'bad_request') await claim?.giveBack();
      throw error;
    }
  };

  return [
    {
      method: 'POST',
      path: '/users',
      body: 'json',
      handle: async (ctx, body) => {
        const read = readFields(body, fields);
        const { username, hash, user_id, scopes = defaultScopes, status = 'active' } = read;
        if (read.scopes === '' || !isScopes(scopes)) throw invalidField('scopes');
        readOneOf('status', status, statuses);
        const { name, u } = accounts(username);
        ctx.facts = { account: u };
        const claim = user_id === undefined ? undefined : await claimId(user_id, u);
        const userId = user_id ?? newUserId(u);
        const verdict = await importWith(claim, {
          route: '/credentials',
          u,
          attemptId: randomBytes(16).toString('base64url'),
          class: 'register',
          body: {
            u,
            name,
            user_id: userId,
            hash,
            scopes,
            status,
          },
          deadlineAt: ctx.arrivedAt + deadlineMs,
          requestId: ctx.requestId,
        });
        if (verdict.outcome !== 'ok') throw new AppError('account_exists');
        ctx.facts = { account: u, user_id: verdict.user_id };
        return { status: 201, body: { user_id: verdict.user_id, username: name } };
      },
    },
  ];
};
