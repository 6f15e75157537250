/**
 * POST /oauth/introspect (RFC 7662): is this token good, asked by a resource server. The store is asked
 * each time, so that what was revoked is never called active after the answer that said so. Whatever is
 * not active, or none of the caller's business, gets one and the same answer; what was never issued, or is
 * another's, counts as a guess of the caller. Under a key that is gone nobody can say whether it was issued: all
 * that an operator ended with the key would, so that does not count.
 */
import { codeOf } from '../../shared/errors.js';
import type { Reply, Route } from '../../shared/http.js';
import type { Authenticate } from '../clients/authenticate.js';
import type { CountGuess } from '../clients/guesses.js';
import type { Client, Lookup } from '../clients/lookup.js';
import { publicClient } from '../grant.js';
import { oauthRoute, requireParam } from '../oauth.js';
import type { LookAtSession } from '../sessions/session-look.js';
import type { Sessions } from '../sessions/sessions.js';
import type { Revoked } from '../tokens/revoked.js';
import type { Claims, Verifier } from '../tokens/verify.js';

const inactive: Reply = { status: 200, body: { active: false } };
/** What was good once; everything else but a token that is none is trouble of ours. */
const ended = ['token_expired', 'session_ended'];

const asInactive = (error: unknown): 'ended' | 'guess' => {
  const code = codeOf(error);
  if (code === 'token_invalid') return 'guess';
  if (!ended.includes(code)) throw error;
  return 'ended';
};

export const createOauthIntrospect = ({
  authenticate,
  lookup,
  verifyIssued,
  mayHaveBeen,
  revoked,
  sessions,
  look,
  countGuess,
  issuer,
}: {
  authenticate: Authenticate;
  lookup: Lookup;
  /** For tokens of every audience. */
  verifyIssued: Verifier['verify'];
  mayHaveBeen: Verifier['mayHaveBeen'];
  revoked: Pick<Revoked, 'has'>;
  sessions: Pick<Sessions, 'read'>;
  look: LookAtSession;
  countGuess: CountGuess;
  issuer: string;
}): Route => {
  const maySee = ({ id, introspect }: Client, token: { clientId: string; aud?: string }) =>
    introspect === 'any' || (introspect === 'own' && [token.clientId, token.aud].includes(id));

  /** A client that was disabled or removed has no tokens any more. */
  const isClientLive = async ({ sid, sub, clientId, gen }: Claims): Promise<boolean> => {
    if (clientId === publicClient) return true;
    const client = await lookup(clientId);
    return client?.status === 'active' && (sid !== '' || (client.id === sub && client.gen <= gen));
  };

  const isSessionLive = async ({ sid, gen }: Claims): Promise<boolean> =>
    sid === '' || (await look(sid))?.gen === gen;

  const refuse = async ({ id }: Client): Promise<Reply> => {
    await countGuess(id);
    return inactive;
  };

  const accessToken = async (token: string, client: Client): Promise<Reply> => {
    const verified = (async () => verifyIssued(token))();
    const claims = await verified.catch(asInactive);
    if (claims === 'ended' || (claims === 'guess' && mayHaveBeen(token))) return inactive;
    if (claims === 'guess' || !maySee(client, claims)) return refuse(client);
    const [isRevoked, ...live] = await Promise.all([
      revoked.has(claims),
      isSessionLive(claims),
      isClientLive(claims),
    ]);
    if (isRevoked || live.includes(false)) return inactive;
    const { scope, clientId: client_id, exp, iat, sub, aud, jti, sid } = claims;
    const body = {
      active: true,
      ...(scope === '' ? {} : { scope }),
      ...{ client_id, token_type: 'Bearer', exp, iat, sub, aud, iss: issuer, jti },
      ...(sid === '' ? {} : { sid }),
    };
    return { status: 200, body };
  };

  /** Active = the next use would succeed and be the first. */
  const refreshToken = async (
    { sessionId, generation }: { sessionId: string; generation: number },
    client: Client,
  ): Promise<Reply> => {
    const session = await look(sessionId);
    // A store that lost a refresh is behind the token, and takes it.
    if (session === undefined || session.generation > generation) return inactive;
    if (!maySee(client, session)) return refuse(client);
    const { scope, clientId: client_id, userId: sub } = session;
    const [iat, exp] = [session.createdAtMs, session.endsAtMs].map((ms) => Math.floor(ms / 1000));
    const body = { active: true, scope, client_id, exp, iat, sub, iss: issuer, sid: sessionId };
    return { status: 200, body };
  };

  return oauthRoute('/oauth/introspect', async (ctx, params) => {
    const client = await authenticate.confidential(ctx, params);
    const token = requireParam(params, 'token');
    // The two kinds look different, so a hint is of no use.
    const family = await sessions.read(token);
    return family === undefined ? accessToken(token, client) : refreshToken(family, client);
  });
};
