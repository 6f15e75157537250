/**
 * POST /users: one user with a hash that another system made. The node reads and bounds the hash
 * before it is stored; it is verified and migrated at the user's next login. Insert only. The answer has
 * the id that the account got: a table of an operator's own may give ids of its own.
 */
import { AppError, codeOf } from '../../../shared/errors.js';
import { invalidField, readFields, readOneOf } from '../../../shared/fields.js';
import type { Route } from '../../../shared/http.js';
import { newId } from '../../../shared/new-id.js';
import type { Verdict } from '../../../shared/protocol.js';
import { isGrantable } from '../../../shared/reserved.js';
import type { Claim, createClaims } from '../../import/claims.js';
import type { Job, Nodes } from '../../nodes/nodes.js';
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
  claims,
  nodes,
  accounts,
  defaultScopes,
}: {
  claims: ReturnType<typeof createClaims>;
  nodes: Pick<Nodes, 'submit'>;
  accounts: Accounts;
  defaultScopes: string;
}): Route[] => {
  /** The verdict; the id leads to this account from now on, unless it got another one. */
  const importAs = async (claim: Claim, job: Job): Promise<Verdict> => {
    try {
      const [claimed] = await claims.claim([claim], true);
      if (claimed === 'taken') throw new AppError('account_exists');
      const giveBack = async () => {
        if (claimed === 'new') await claims.giveBack([claim]);
      };
      const verdict = await nodes.submit(job).catch(async (error: unknown) => {
        // Only what the node refused is known not to have been written.
        if (codeOf(error) === 'bad_request') await giveBack();
        throw error;
      });
      if (verdict.outcome !== 'ok' || verdict.user_id !== claim.id) await giveBack();
      return verdict;
    } finally {
      claims.end([claim]);
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
        if (read.scopes === '' || !isGrantable(scopes)) throw invalidField('scopes');
        readOneOf('status', status, statuses);
        const { name, u } = accounts(username);
        ctx.facts = { account: u };
        // Ids of our own carry their account.
        if (user_id !== undefined && !isForeignId(user_id)) throw invalidField('user_id');
        const userId = user_id ?? newUserId(u);
        const job: Job = {
          route: '/credentials',
          u,
          attemptId: newId(),
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
        };
        const verdict = await (user_id === undefined
          ? nodes.submit(job)
          : importAs({ id: user_id, u }, job));
        if (verdict.outcome !== 'ok') throw new AppError('account_exists');
        ctx.facts = { account: u, user_id: verdict.user_id };
        return { status: 201, body: { user_id: verdict.user_id, username: name } };
      },
    },
  ];
};
