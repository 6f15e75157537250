/**
 * POST /users/export: a page of all users, hashes only when they are asked for by name; POST
 * /users/find: one user by login. Both answer from the records, so they also know whom nobody has signed
 * in yet. Who was found can be asked for by id from then on, also one of an operator's own table. Whoever holds ADMIN_TOKEN may export hashes: it leaves a line in the audit log.
 */
import { AppError } from '../../../shared/errors.js';
import { readFields, readFlag } from '../../../shared/fields.js';
import type { Route } from '../../../shared/http.js';
import type { RedisClient } from '../../../shared/redis.js';
import { storeCall } from '../../../shared/redis-calls.js';
import type { Errand } from '../../nodes/errand.js';
import { accountIn } from '../../user-id.js';
import type { Accounts } from '../../username.js';

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null;

/** What the node says, without the account key. */
const show = (value: unknown): Record<string, unknown> => {
  if (!isObject(value)) throw new AppError('bad_node_answer', { detail: 'shape' });
  const { u: _, ...rest } = value;
  return rest;
};

const exportPage = (errand: Errand): Route => ({
  method: 'POST',
  path: '/users/export',
  body: 'json',
  handle: async (ctx, { hashes, ...body }) => {
    const { cursor } = readFields(body, { cursor: true });
    const withHashes = readFlag({ hashes }, 'hashes');
    const ask = { cursor, hashes: withHashes ? 'yes' : 'no' };
    const page = await errand('/credentials/scan', [ask]);
    if (!isObject(page) || !Array.isArray(page.rows) || typeof page.cursor !== 'string')
      throw new AppError('bad_node_answer', { detail: 'shape' });
    ctx.facts = { rows: page.rows.length, hashes: withHashes };
    return { status: 200, body: { cursor: page.cursor, rows: page.rows.map(show) } };
  },
});

const findByLogin = (errand: Errand, accounts: Accounts, redis: RedisClient): Route => ({
  method: 'POST',
  path: '/users/find',
  body: 'json',
  handle: async (_, body) => {
    const { u, name } = accounts(readFields(body, { username: true }).username);
    const found = show(await errand('/credentials/show', [{ u, name }]));
    const { user_id: id } = found;
    if (typeof id === 'string' && accountIn(id) === undefined)
      await storeCall(redis.set(`uid:${id}`, u));
    return { status: 200, body: found };
  },
});

export const createExportRoutes = ({
  errand,
  accounts,
  redis,
}: {
  errand: Errand;
  accounts: Accounts;
  redis: RedisClient;
}): Route[] => [exportPage(errand), findByLogin(errand, accounts, redis)];
