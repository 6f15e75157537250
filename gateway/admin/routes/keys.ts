/**
 * GET /keys shows the keys that sign access tokens, and those behind refresh and device tokens; POST
 * /keys/rotate makes the next one (`{purpose}`: `refresh` or `device`, else the signing key), or with
 * `{revoke: kid}` ends one: every token that it signed is refused everywhere when this answers.
 */
import { invalidField, readFields, readOneOf } from '../../../shared/fields.js';
import type { Route } from '../../../shared/http.js';
import { macPurposes } from '../../tokens/mac-ring.js';
import type { createKeyDesk } from '../../tokens/rotation.js';

type Desk = ReturnType<typeof createKeyDesk>;

const fields = { revoke: false, purpose: false } as const;
/** A thumbprint (RFC 7638) in base64url. */
const kidForm = /^[\w-]{43}$/;

const readPurpose = (text: string | undefined) =>
  text === undefined ? undefined : readOneOf('purpose', text, macPurposes);

export const createKeyRoutes = ({ desk }: { desk: Desk }): Route[] => [
  {
    method: 'GET',
    path: '/keys',
    body: 'none',
    handle: async () => ({ status: 200, body: await desk.list() }),
  },
  {
    method: 'POST',
    path: '/keys/rotate',
    body: 'json',
    handle: async (ctx, body) => {
      const { revoke, purpose: wanted } = readFields(body, fields);
      const purpose = readPurpose(wanted);
      if (revoke !== undefined && (purpose !== undefined || !kidForm.test(revoke)))
        throw invalidField('revoke');
      ctx.facts =
        revoke === undefined ? { action: 'rotate', purpose } : { action: 'revoke', kid: revoke };
      if (revoke !== undefined) await desk.revoke(revoke);
      else await (purpose === undefined ? desk.rotate() : desk.rotateMac(purpose));
      return { status: 200, body: await desk.list() };
    },
  },
];
