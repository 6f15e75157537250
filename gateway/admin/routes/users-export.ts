/**
 * POST /users/export: a page of all users, hashes only when they are asked for by name; POST
 * /users/find: one user by login. Both answer from the records, so they also know whom nobody has signed
 * in yet. Who was found can be asked for by id from then on, also one of an operator's own table.
 * Whoever holds ADMIN_TOKEN may export hashes: it leaves a line in the audit log.
 */
import { AppError, passOver } from '../../../shared/errors.js';
import { readFields, readFlag } from '../../../shared/fields.js';
import type { Route } from '../../../shared/http.js';
import { isObject } from '../../../shared/json.js';
import type { RedisClient } from '../../../shared/redis.js';
import { storeCall } from '../../../shared/redis-calls.js';
import type { Errand } from '../../nodes/errand.js';
import { uidKey, userKey } from '../../sessions/account-keys.js';
import { accountIn } from '../../user-id.js';
import type { Accounts } from '../../username.js';

/** What the node says, without the account key. */
const show = (value: unknown): Record<string, unknown> => {
  if (!isObject(value)) throw new AppError('bad_node_answer', { detail: 'shape' });
  const { u: _, ...rest } = value;
  return rest;
};

type Parts = { errand: Errand; accounts: Accounts; redis: RedisClient };

/**
 * Of an operator's table the node knows the rows alone: whom we disabled, only the account's state says,
 * which hangs on the name.
 */
const createShowRow = ({ accounts, redis }: Parts) => {
  const stateOf = async (name: unknown) =>
    storeCall(redis.hget(userKey(accounts(String(name)).u), 'status'));
  return async (value: unknown) => {
    const shown = show(value);
    const isOfTable = isObject(value) && String(value.u).startsWith('row:');
    if (!isOfTable) return shown;
    // A row may have a name that none of ours can have.
    const status = await stateOf(shown.name).catch(passOver('bad_request'));
    return status === 'disabled' ? { ...shown, status } : shown;
  };
};

const exportPage = (parts: Parts): Route => ({
  method: 'POST',
  path: '/users/export',
  body: 'json',
  handle: async (ctx, { hashes, ...body }) => {
    const { cursor } = readFields(body, { cursor: true });
    const withHashes = readFlag({ hashes }, 'hashes');
    const ask = { cursor, hashes: withHashes ? 'yes' : 'no' };
    const page = await parts.errand('/credentials/scan', [ask]);
    if (!isObject(page) || !Array.isArray(page.rows) || typeof page.cursor !== 'string')
      throw new AppError('bad_node_answer', { detail: 'shape' });
    ctx.facts = { rows: page.rows.length, hashes: withHashes };
    const rows = await Promise.all(page.rows.map(createShowRow(parts)));
    return { status: 200, body: { cursor: page.cursor, rows } };
  },
});

const findByLogin = ({ errand, accounts, redis }: Parts): Route => ({
  method: 'POST',
  path: '/users/find',
  body: 'json',
  handle: async (_, body) => {
    const { u, name } = accounts(readFields(body, { username: true }).username);
    const found = show(await errand('/credentials/show', [{ u, name }]));
    const { user_id: id } = found;
    if (typeof id === 'string' && accountIn(id) !== u) await storeCall(redis.set(uidKey(id), u));
    return { status: 200, body: found };
  },
});

export const createExportRoutes = (parts: Parts): Route[] => [
  exportPage(parts),
  findByLogin(parts),
];
