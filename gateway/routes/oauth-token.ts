/**
 * POST /oauth/token (RFC 6749 § 3.2): an access token for a client that acts for itself, or a new
 * pair for a refresh token. Signing in with a password is no grant: that is /v1/login, which is ours.
 */
import { AppError, codeOf } from '../../shared/errors.js';
import type { Ctx, Reply, Route } from '../../shared/http.js';
import type { Authenticate } from '../clients/authenticate.js';
import type { Client } from '../clients/lookup.js';
import type { ClientGrant } from '../clients/record.js';
import { grantScope } from '../grant.js';
import { oauthRoute, type Params, requireParam } from '../oauth.js';
import type { SessionEnd } from '../sessions/session-end.js';
import type { LookAtSession } from '../sessions/session-look.js';
import type { Sessions } from '../sessions/sessions.js';
import type { Sign } from '../tokens/sign.js';

type GrantFlow = (ctx: Ctx, client: Client, params: Params) => Reply | Promise<Reply>;

/** RFC 6749 § 5.1 wants the old header too. */
const answer = (signed: ReturnType<Sign>, scope: string, more: object = {}): Reply => ({
  status: 200,
  headers: { pragma: 'no-cache' },
  body: {
    access_token: signed.token,
    token_type: 'Bearer',
    expires_in: signed.expiresInSeconds,
    ...more,
    ...(scope === '' ? {} : { scope }),
  },
});

/** Whatever is wrong with a refresh token has one name here. */
const asGrantError = (error: unknown): never => {
  if (['token_invalid', 'session_ended'].includes(codeOf(error)))
    throw new AppError('invalid_grant', { cause: error });
  throw error;
};

export const createOauthToken = ({
  authenticate,
  sign,
  sessions,
  look,
  sessionEnd,
}: {
  authenticate: Authenticate;
  sign: Sign;
  sessions: Pick<Sessions, 'rotate' | 'read'>;
  look: LookAtSession;
  sessionEnd: Pick<SessionEnd, 'refuseEnded'>;
}): Route => {
  const audienceOf = ({ audience }: Client) => (audience === undefined ? {} : { audience });

  const clientCredentials: GrantFlow = (_ctx, client, params) => {
    const { id, gen } = client;
    const scope = grantScope(client.scopes, params.scope);
    return answer(sign({ userId: id, clientId: id, gen, scope, ...audienceOf(client) }), scope);
  };

  /**
   * Before the token is used up: the request may be too wide, and is then refused. Whatever else is wrong with
   * the token, its use shows, which also tells the edges of a family that has ended.
   */
  const checkScope = async (refreshToken: string, client: Client, scope: string) => {
    const read = await sessions.read(refreshToken);
    const session = read === undefined ? undefined : await look(read.sessionId);
    if (session?.clientId === client.id) grantScope(session.scope, scope);
  };

  const refresh = async (ctx: Ctx, client: Client, params: Params): Promise<Reply> => {
    const refreshToken = requireParam(params, 'refresh_token');
    if (params.scope !== undefined) await checkScope(refreshToken, client, params.scope);
    const rotated = await sessions.rotate(refreshToken, client.id);
    ctx.facts = { ...ctx.facts, session_id: rotated.sessionId, refresh: rotated.outcome };
    const live = await sessionEnd.refuseEnded(rotated);
    const { userId, sessionId, gen, clientId } = live;
    ctx.facts.user_id = userId;
    const scope = grantScope(live.scope, params.scope);
    const signed = sign({ userId, sessionId, gen, clientId, scope, ...audienceOf(client) });
    return answer(signed, scope, { refresh_token: live.refreshToken });
  };

  const flows = new Map<string, { grant: ClientGrant; run: GrantFlow }>([
    ['client_credentials', { grant: 'client_credentials', run: clientCredentials }],
    [
      'refresh_token',
      { grant: 'refresh_token', run: (...given) => refresh(...given).catch(asGrantError) },
    ],
  ]);

  return oauthRoute('/oauth/token', async (ctx, params) => {
    const flow = flows.get(requireParam(params, 'grant_type'));
    if (flow === undefined) throw new AppError('unsupported_grant_type');
    ctx.facts = { grant: flow.grant };
    const client = await authenticate.any(ctx, params);
    if (!client.grants.includes(flow.grant)) throw new AppError('unauthorized_client');
    return flow.run(ctx, client, params);
  });
};
