/**
 * /v1/verify: is this token good, and whose is it? The hot path of the edge: on a cache hit nothing
 * here waits. Any method and any path below, so that a reverse proxy can ask with the original
 * request; the body is never read.
 */
import type { Reply, Route } from '../../shared/http.js';
import { bearerOf } from '../bearer.js';
import type { Claims, Verifier } from '../tokens/verify.js';

const replyTo = (claims: Claims): Reply => ({
  status: 200,
  headers: {
    'x-auth-user': claims.sub,
    'x-auth-session': claims.sid,
    'x-auth-scope': claims.scope,
    'x-auth-client': claims.clientId,
  },
});

export const createVerifyRoute = ({ verify }: { verify: Verifier['verify'] }): Route => ({
  method: '*',
  path: '/v1/verify',
  prefix: true,
  body: 'none',
  handle: ({ req }) => {
    const claims = verify(bearerOf(req));
    return claims instanceof Promise ? claims.then(replyTo) : replyTo(claims);
  },
});
