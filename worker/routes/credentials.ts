/**
 * POST /credentials: imports one user with a stored hash. Insert only: an import never puts an old
 * hash over a password that was changed since. The hash is read as a row of a batch is, so nothing gets in
 * that could not be verified within the limits and with the keys that are here. It is never echoed.
 */
import { AppError, isReason } from '../../shared/errors.js';
import { invalidField, readFields, readOneOf } from '../../shared/fields.js';
import type { Route } from '../../shared/http.js';
import {
  bareVerdict,
  checkAccountKey,
  checkName,
  checkScopes,
  checkUserId,
  okVerdict,
  readAttempt,
  type SendVerdict,
} from '../attempt.js';
import type { Credentials, Norm, Status } from '../credentials/credentials.js';
import { readRowHash } from '../import/read-hash.js';
import type { KeyRing } from '../passwords/keys.js';

const fields = {
  u: true,
  name: false,
  user_id: true,
  hash: true,
  norm: false,
  scopes: true,
  status: false,
} as const;

const norms: readonly Norm[] = ['raw', 'nfc'];
const statuses: readonly Status[] = ['active', 'disabled'];

/** What is stored; AppError bad_request when nobody could sign in with it. */
const readStored = (hash: string, keys: KeyRing): string => {
  const { stored, result } = readRowHash({ format: '', hash, options: {} }, keys);
  const [found] = result?.found ?? [];
  if (found === undefined) return stored;
  throw isReason(found) ? new AppError('bad_request', { reason: found }) : invalidField('hash');
};

export const createImport = (parts: {
  credentials: Credentials;
  keys: KeyRing;
  sendVerdict: SendVerdict;
}): Route => {
  const { credentials, keys, sendVerdict } = parts;
  return {
    method: 'POST',
    path: '/credentials',
    body: 'json',
    handle: async (ctx, body) => {
      const { id } = readAttempt(ctx);
      const {
        u,
        name,
        user_id,
        hash,
        norm = 'raw',
        scopes,
        status = 'active',
      } = readFields(body, fields);
      const record = {
        name: checkName(name),
        userId: checkUserId(user_id),
        hash: readStored(hash, keys),
        norm: readOneOf('norm', norm, norms),
        scopes: checkScopes(scopes),
        attempt: id,
        status: readOneOf('status', status, statuses),
      };
      const rows = [{ u: checkAccountKey(u), record }];
      const [created] = await credentials.createMany(rows, 'insert');
      if (created?.outcome !== 'ok') return sendVerdict(ctx, bareVerdict(id, 'exists'));
      return sendVerdict(ctx, okVerdict(id, created));
    },
  };
};
