/**
 * POST /credentials: imports one user with a stored hash. Insert only: an import never puts an old
 * hash over a password that was changed since. The hash is read by the same reader as at a login, so
 * nothing gets in that could not be verified within the limits. It is never echoed.
 */
import { AppError } from '../../shared/errors.js';
import { readFields, readOneOf } from '../../shared/fields.js';
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
import { isUsable, readHash } from '../passwords/formats/formats.js';

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

export const createImport = (parts: {
  credentials: Credentials;
  sendVerdict: SendVerdict;
}): Route => {
  const { credentials, sendVerdict } = parts;
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
      const read = readHash(hash);
      if (!isUsable(read)) throw new AppError('bad_request', { reason: read });
      const record = {
        name: checkName(name),
        userId: checkUserId(user_id),
        hash,
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
