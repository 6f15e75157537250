/**
 * One user by id: GET /users/{id} shows the state, POST /users/{id}/{action} changes it.
 * `disable` ends everything at once and keeps the user out, `enable` lets them sign in again, `reset`
 * gives a one-time token for a new password, `allow-critical` and `deny-critical` say whether
 * they may have critical sessions (one that has begun goes on). PUT /users/{id}/password sets a password,
 * PATCH /users/{id} the scopes, from the next sign-in on, and DELETE removes the user with all that was issued.
 */
import { AppError } from '../../../shared/errors.js';
import { checkPassword, invalidField, readFields } from '../../../shared/fields.js';
import type { Body, Ctx, Route } from '../../../shared/http.js';
import type { RedisClient } from '../../../shared/redis.js';
import { defineStrongScript, storeCall } from '../../../shared/redis-calls.js';
import { isGrantable } from '../../../shared/reserved.js';
import type { Status } from '../../../shared/status.js';
import type { Errand } from '../../nodes/errand.js';
import { uidKey, userKey } from '../../sessions/account-keys.js';
import { type Resets, resetMs } from '../../sessions/resets.js';
import type { UserSessions } from '../../sessions/user-sessions.js';
import { accountIn } from '../../user-id.js';
import type { SetPassword } from '../set-password.js';

type Account = { userId: string; u: string; gen: number; status: string; critical: boolean };

/**
 * Sets a field of the account that was found, unless it was deleted meanwhile or is another one by now.
 * KEYS user. ARGV user_id, field, value. Returns 1 or 0.
 */
const setLua = `
local s = redis.call('HMGET', KEYS[1], 'gen', 'status', 'user_id')
if not s[1] or s[2] == 'deleted' or (s[3] and s[3] ~= ARGV[1]) then return 0 end
redis.call('HSET', KEYS[1], ARGV[2], ARGV[3])
return 1`;

type Action = (account: Account) => Promise<Record<string, unknown>>;

/** /users/{id} and /users/{id}/{action}; undefined when it is neither. */
const readPath = (path: string): { userId: string; action: string } | undefined => {
  const [, text = '', action = ''] =
    /^\/users\/([^/]{1,384})(?:\/([a-z-]{1,20}))?$/.exec(path) ?? [];
  try {
    return text === '' ? undefined : { userId: decodeURIComponent(text), action };
  } catch {
    return undefined;
  }
};

export const createAccountRoutes = ({
  redis,
  userSessions,
  resets,
  errand,
  setPassword,
}: {
  redis: RedisClient;
  userSessions: Pick<UserSessions, 'endAll'>;
  resets: Pick<Resets, 'issue'>;
  errand: Errand;
  setPassword: SetPassword;
}): Route[] => {
  /**
   * Throws not_found also for the id of an account that has been made anew under the same name, and of
   * one that is deleted.
   */
  const find = async (
    path: string,
    { orDeleted = false } = {},
  ): Promise<Account & { action: string }> => {
    const asked = readPath(path);
    if (asked === undefined) throw new AppError('not_found');
    const { userId, action } = asked;
    // An operator's own ids may have the form of ours; the index knows those that do not mean what they say.
    const u = (await storeCall(redis.get(uidKey(userId)))) ?? accountIn(userId);
    if (u === undefined) throw new AppError('not_found');
    const fields = ['gen', 'status', 'user_id', 'critical'];
    const [gen, status, id, critical] = await storeCall(redis.hmget(userKey(u), ...fields));
    if (gen == null || (id != null && id !== userId)) throw new AppError('not_found');
    if (status === 'deleted' && !orDeleted) throw new AppError('not_found');
    const account = { userId, u, action, gen: Number(gen), critical: critical === '1' };
    return { ...account, status: status ?? '' };
  };

  const setField = defineStrongScript(redis, { name: 'accountSet', lua: setLua });
  const set = async ({ u, userId }: Account, field: string, value: string): Promise<void> => {
    const isSet = await setField([userKey(u)], [userId, field, value]);
    if (isSet !== 1) throw new AppError('not_found');
  };

  /** A record that outlives the account's state says it too. */
  const record = async ({ u, userId }: Account, status: Status): Promise<void> => {
    await errand('/credentials/status', [{ u, user_id: userId, status }]);
  };

  /** What each does, repeatable; what it answers besides the id. */
  const actions: Record<string, Action> = {
    disable: async (account) => {
      await userSessions.endAll(account.u, { status: 'disabled' });
      await record(account, 'disabled');
      return { status: 'disabled' };
    },
    enable: async (account) => {
      await record(account, 'active');
      await set(account, 'status', 'active');
      return { status: 'active' };
    },
    reset: async ({ u }) => {
      const token = await resets.issue(u);
      if (token === undefined) throw new AppError('not_found');
      return { reset_token: token, expires_in: resetMs / 1000 };
    },
    'allow-critical': async (account) => {
      await set(account, 'critical', '1');
      return { critical: true };
    },
    'deny-critical': async (account) => {
      await set(account, 'critical', '0');
      return { critical: false };
    },
  };

  const changePassword = async (ctx: Ctx, body: Body) => {
    const { password } = readFields(body, { password: true });
    checkPassword('password', password);
    const { userId, u, gen, action } = await find(ctx.path);
    if (action !== 'password') throw new AppError('not_found');
    ctx.facts = { account: u, user_id: userId, action };
    await setPassword({ u, gen, requestId: ctx.requestId }, password);
    return { status: 204 };
  };

  const changeScopes = async (ctx: Ctx, body: Body) => {
    const { scopes } = readFields(body, { scopes: true });
    if (!isGrantable(scopes)) throw invalidField('scopes');
    const { userId, u, action } = await find(ctx.path);
    if (action !== '') throw new AppError('not_found');
    ctx.facts = { account: u, user_id: userId, action: 'scopes' };
    await errand('/credentials/scopes', [{ u, scopes }]);
    return { status: 200, body: { user_id: userId, scopes } };
  };

  /** The id goes last: until then the same call finds what is left to do. */
  const remove = async (ctx: Ctx) => {
    const { userId, u, action, status } = await find(ctx.path, { orDeleted: true });
    if (action !== '') throw new AppError('not_found');
    ctx.facts = { account: u, user_id: userId, action: 'delete' };
    // Who is deleted already has nothing left to end, and stays deleted.
    if (status !== 'deleted') await userSessions.endAll(u, { status: 'disabled' });
    await errand('/credentials/remove', [{ u }]);
    await storeCall(redis.del(uidKey(userId)));
    return { status: 204 };
  };

  return [
    { method: 'PUT', path: '/users', prefix: true, body: 'json', handle: changePassword },
    { method: 'PATCH', path: '/users', prefix: true, body: 'json', handle: changeScopes },
    { method: 'DELETE', path: '/users', prefix: true, body: 'none', handle: remove },
    {
      method: 'GET',
      path: '/users',
      prefix: true,
      body: 'none',
      handle: async (ctx) => {
        const { userId, status, critical, action } = await find(ctx.path);
        if (action !== '') throw new AppError('not_found');
        return { status: 200, body: { user_id: userId, status, critical } };
      },
    },
    {
      method: 'POST',
      path: '/users',
      prefix: true,
      body: 'none',
      handle: async (ctx) => {
        const account = await find(ctx.path);
        const { userId, u, action } = account;
        const run = Object.hasOwn(actions, action) ? actions[action] : undefined;
        if (run === undefined) throw new AppError('not_found');
        ctx.facts = { account: u, user_id: userId, action };
        return { status: 200, body: { user_id: userId, ...(await run(account)) } };
      },
    },
  ];
};
