/**
 * GET /keys shows the keys that sign access tokens; POST /keys/rotate makes the next one, or with
 * `{revoke: kid}` ends one: every token that it signed is refused everywhere when this answers.
 */
import { AppError } from '../../../shared/errors.js';
import { readFields } from '../../../shared/fields.js';
import type { Route } from '../../../shared/http.js';
import type { createKeyDesk } from '../../tokens/rotation.js';

type Desk = ReturnType<typeof createKeyDesk>;

const fields = { revoke: false } as const;
/** A thumbprint (RFC 7638) in base64url. */
const kidForm = /^[\w-]{43}$/;

export const createKeyRoutes = ({ desk }: { desk: Desk }): Route[] => [
  {
    method: 'GET',
    path: '/keys',
    body: 'none',
    handle: async () => ({ status: 200, body: { keys: await desk.list() } }),
  },
  {
    method: 'POST',
    path: '/keys/rotate',
    body: 'json',
    handle: async (ctx, body) => {
      const { revoke } = readFields(body, fields);
      if (revoke !== undefined && !kidForm.test(revoke))
        throw new AppError('bad_request', { reason: 'field_invalid', field: 'revoke' });
      ctx.facts = revoke === undefined ? { action: 'rotate' } : { action: 'revoke', kid: revoke };
      await (revoke === undefined ? desk.rotate() : desk.revoke(revoke));
      return { status: 200, body: { keys: await desk.list() } };
    },
  },
];
