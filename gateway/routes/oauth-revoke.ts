/**
 * POST /oauth/revoke (RFC 7009): an access token by its id, that of a user and any refresh token together with
 * the session.
 * First the record, then the log, then the answer; a repeat does both again, so an access token that is revoked
 * already is none of the dead. What has expired or was never ours needs no revoking and is 200; another client's
 * access token, or session that is alive, stays as it is, and the caller is told so (§ 2.1). The two kinds of
 * token look different, so a hint is of no use, and one that we do not know is no error (§ 2.2).
 */
import { AppError, codeOf } from '../../shared/errors.js';
import type { Ctx, Route } from '../../shared/http.js';
import type { Authenticate } from '../clients/authenticate.js';
import type { Client } from '../clients/lookup.js';
import { publicClient } from '../grant.js';
import { oauthRoute, requireParam } from '../oauth.js';
import type { SessionEnd } from '../sessions/session-end.js';
import { splitId } from '../sessions/session-id.js';
import type { LookAtSession } from '../sessions/session-look.js';
import type { Sessions } from '../sessions/sessions.js';
import type { Revocations } from '../tokens/revocations.js';
import type { Revoked } from '../tokens/revoked.js';
import type { Claims, Verifier } from '../tokens/verify.js';

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
  sessions: Pick<Sessions, 'read' | 'genOf'>;
  look: LookAtSession;
  revocations: Pick<Revocations, 'publish'>;
  sessionEnd: Pick<SessionEnd, 'recordFirst'>;
}): Route => {
  const refuseForeign = (client: Client, owner: string) => {
    if (owner !== client.id) throw new AppError('invalid_grant');
  };

  /**
   * A token from before a password change is dead and must not end the session that goes on. But the edges may
   * not know yet: whoever changed the password may have got a 503. `gen`: of the main store, as the backup's
   * number would be a wrong one for a store that begins anew.
   */
  const tellChange = (u: string, gen: number): Promise<void> =>
    revocations.publish({ kind: 'user', id: u, gen });

  /**
   * Whoever is signed in is the public client and gets any number of access tokens; an entry for each would fill
   * the store and all edges. So the session ends with its token, as § 2.1 allows: one entry, however often.
   */
  const revokeWithSession = async (ctx: Ctx, { sid, gen }: Claims): Promise<void> => {
    ctx.facts = { ...ctx.facts, session_id: sid };
    const { u } = splitId(sid);
    const current = await sessions.genOf(u);
    if (current > gen) await tellChange(u, current);
    else await sessionEnd.recordFirst(sid);
  };

  const revokeAccess = async (ctx: Ctx, client: Client, token: string): Promise<void> => {
    const verified = (async () => verifySigned(token))();
    const claims = await verified.catch(asDead);
    if (claims === undefined) return;
    refuseForeign(client, claims.clientId);
    if (client.id === publicClient) return revokeWithSession(ctx, claims);
    ctx.facts = { ...ctx.facts, jti: claims.jti };
    await revoked.add(claims);
    await revocations.publish({ kind: 'jti', id: claims.jti });
  };

  /** Any token of the family will do: who has one could end it by using it. */
  const revokeFamily = async (
    ctx: Ctx,
    client: Client,
    { sessionId, generation }: { sessionId: string; generation: number },
  ): Promise<void> => {
    const session = await look(sessionId);
    if (session !== undefined) refuseForeign(client, session.clientId);
    ctx.facts = { ...ctx.facts, session_id: sessionId };
    if (session !== undefined && generation < session.floor) {
      const { u } = splitId(sessionId);
      return tellChange(u, await sessions.genOf(u));
    }
    await sessionEnd.recordFirst(sessionId);
  };

  return oauthRoute('/oauth/revoke', async (ctx, params) => {
    const client = await authenticate.any(ctx, params);
    const token = requireParam(params, 'token');
    const family = await sessions.read(token);
    if (family === undefined) await revokeAccess(ctx, client, token);
    else await revokeFamily(ctx, client, family);
    return { status: 200 };
  });
};
