/**
 * POST /oauth/revoke (RFC 7009): an access token by its id, a refresh token together with its session.
 * First the record, then the log, then the answer; a repeat does both again, so an access token that is revoked
 * already is none of the dead. What has expired or was never ours needs no revoking and is 200; another client's
 * access token, or session that is alive, stays as it is, and the caller is told so (§ 2.1).
 */
import { AppError, codeOf } from '../../shared/errors.js';
import type { Ctx, Route } from '../../shared/http.js';
import type { Authenticate } from '../clients/authenticate.js';
import type { Client } from '../clients/lookup.js';
import { oauthRoute, requireParam } from '../oauth.js';
import type { SessionEnd } from '../session-end.js';
import type { LookAtSession } from '../session-look.js';
import type { Sessions } from '../sessions.js';
import type { Revocations } from '../tokens/revocations.js';
import type { Revoked } from '../tokens/revoked.js';
import type { Verifier } from '../tokens/verify.js';

const types = [undefined, 'access_token', 'refresh_token'];
const dead = ['token_invalid', 'token_expired'];

const asDead = (error: unknown): undefined => {
  if (!dead.includes(codeOf(error))) throw error;
};

export const createOauthRevoke = ({
  authenticate,
  verifySigned,
  revoked,
  sessions,
  look,
  revocations,
  sessionEnd,
}: {
  authenticate: Authenticate;
  verifySigned: Verifier['verifySigned'];
  revoked: Pick<Revoked, 'add'>;
  sessions: Pick<Sessions, 'read'>;
  look: LookAtSession;
  revocations: Pick<Revocations, 'publish'>;
  sessionEnd: Pick<SessionEnd, 'recordFirst'>;
}): Route => {
  const refuseForeign = (client: Client, owner: string) => {
    if (owner !== client.id) throw new AppError('invalid_grant');
  };

  const revokeAccess = async (ctx: Ctx, client: Client, token: string): Promise<void> => {
    const verified = (async () => verifySigned(token))();
    const claims = await verified.catch(asDead);
    if (claims === undefined) return;
    refuseForeign(client, claims.clientId);
    ctx.facts = { ...ctx.facts, jti: claims.jti };
    await revoked.add(claims);
    await revocations.publish({ kind: 'jti', id: claims.jti });
  };

  /** Any token of the family will do: who has one could end it by using it. */
  const revokeFamily = async (ctx: Ctx, client: Client, sessionId: string): Promise<void> => {
    const session = await look(sessionId);
    if (session !== undefined) refuseForeign(client, session.clientId);
    ctx.facts = { ...ctx.facts, session_id: sessionId };
    await sessionEnd.recordFirst(sessionId);
  };

  return oauthRoute('/oauth/revoke', async (ctx, params) => {
    const client = await authenticate.any(ctx, params);
    const token = requireParam(params, 'token');
    if (!types.includes(params.token_type_hint)) throw new AppError('unsupported_token_type');
    const family = sessions.read(token);
    if (family === undefined) await revokeAccess(ctx, client, token);
    else await revokeFamily(ctx, client, family.sessionId);
    return { status: 200 };
  });
};
