/** POST /v1/users: registration, where it is open. */
import { AppError } from '../../shared/errors.js';
import { checkPassword, readFields } from '../../shared/fields.js';
import type { Route } from '../../shared/http.js';
import type { Addresses } from '../address.js';
import type { Attempts } from '../attempts.js';
import { newUserId } from '../user-id.js';
import type { Accounts } from '../username.js';

export const createUsers = ({
  isOpen,
  defaultScopes,
  attempts,
  accounts,
  addresses,
}: {
  isOpen: boolean;
  defaultScopes: string;
  attempts: Attempts;
  accounts: Accounts;
  addresses: Addresses;
}): Route => ({
  method: 'POST',
  path: '/v1/users',
  body: 'json',
  handle: async (ctx, body) => {
    if (!isOpen) throw new AppError('registration_closed');
    const { username, password } = readFields(body, { username: true, password: true });
    checkPassword('password', password);
    const { name, u } = accounts(username);
    ctx.facts = { account: u };
    const work = {
      kind: 'register',
      u,
      class: 'register',
      body: { u, name, password, user_id: newUserId(u), scopes: defaultScopes },
    } as const;
    const { verdict, release } = await attempts.run(ctx, work, addresses.of(ctx.req));
    await release();
    if (verdict.outcome !== 'ok') throw new AppError('account_exists');
    ctx.facts = { account: u, user_id: verdict.user_id };
    return { status: 201, body: { user_id: verdict.user_id, username: name } };
  },
});
