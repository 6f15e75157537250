/**
 * POST /users: one user with a hash that another system made, as a row of an import. The node reads and
 * bounds the hash before it is stored; it is verified and migrated at the user's next login. Insert only. The
 * answer has the id that the account got: a table of an operator's own may give ids of its own.
 */
import { AppError, isReason } from '../../../shared/errors.js';
import { invalidField, readFields, readOneOf } from '../../../shared/fields.js';
import type { Route } from '../../../shared/http.js';
import type { BatchRow } from '../../../shared/import-batch.js';
import { newId } from '../../../shared/new-id.js';
import { isGrantable } from '../../../shared/reserved.js';
import { statuses } from '../../../shared/status.js';
import type { SendRows } from '../../import/send-rows.js';
import { isForeignId, newUserId } from '../../user-id.js';
import type { Accounts } from '../../username.js';

const fields = {
  username: true,
  hash: true,
  format: false,
  norm: false,
  user_id: false,
  scopes: false,
  status: false,
} as const;

export const createUserRoute = ({
  sendRows,
  accounts,
  defaultScopes,
}: {
  sendRows: SendRows;
  accounts: Accounts;
  defaultScopes: string;
}): Route => {
  const readRow = (body: Record<string, unknown>): BatchRow => {
    const read = readFields(body, fields);
    const { hash, format = '', user_id, scopes = defaultScopes } = read;
    if (read.format === '') throw invalidField('format');
    if (read.scopes === '' || !isGrantable(scopes)) throw invalidField('scopes');
    const norm = readOneOf('norm', read.norm ?? 'raw', ['raw', 'nfc']);
    const status = readOneOf('status', read.status ?? 'active', statuses);
    const { name, u } = accounts(read.username);
    // Ids of our own carry their account.
    if (user_id !== undefined && !isForeignId(user_id)) throw invalidField('user_id');
    return {
      ...{ u, name, user_id: user_id ?? newUserId(u), attempt: newId() },
      ...{ format, hash, options: {}, norm, scopes, status },
    };
  };

  /** The id that the account got, or would get. */
  const importRow = async (row: BatchRow, write: boolean): Promise<string> => {
    const { results } = await sendRows([row], { write, rule: 'insert', keys: {} });
    const [result = null] = results;
    if (result === 'taken') throw new AppError('account_exists');
    const [found] = (result?.found ?? []).filter((each) => each !== 'secret_in_row');
    if (found === 'exists') throw new AppError('account_exists');
    if (isReason(found)) throw new AppError('bad_request', { reason: found });
    if (found !== undefined) throw invalidField('format');
    return result?.id ?? row.user_id;
  };

  return {
    method: 'POST',
    path: '/users',
    body: 'json',
    handle: async (ctx, body) => {
      const row = readRow(body);
      ctx.facts = { account: row.u };
      // An import takes accounts without a usable password; here nobody asked for one.
      await importRow(row, false);
      const user_id = await importRow(row, true);
      ctx.facts = { account: row.u, user_id };
      return { status: 201, body: { user_id, username: row.name } };
    },
  };
};
