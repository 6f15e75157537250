/**
 * /v1/verify: is this token good, and whose is it? The hot path of the edge: on a cache hit nothing
 * here waits. Any method and any path below, so that a reverse proxy can ask with the original
 * request; the body is never read.
 */
import type { Reply, Route } from '../../shared/http.js';
import { bearerOf } from '../bearer.js';
import type { Identity, VerifyAny } from '../verify-any.js';

/** Names of other issuers' users may have any character; two names never become one. */
const printable = (text: string): string =>
  text.replace(/[^\x21-\x24\x26-\x7e]/gu, encodeURIComponent);

const replyTo = (claims: Identity): Reply => ({
  status: 200,
  headers: {
    'x-auth-user': printable(claims.sub),
    'x-auth-session': claims.sid,
    'x-auth-scope': claims.scope,
    'x-auth-client': printable(claims.clientId),
  },
});

export const createVerifyRoute = ({ verify }: { verify: VerifyAny }): Route => ({
  method: '*',
  path: '/v1/verify',
  prefix: true,
  body: 'none',
  handle: ({ req }) => {
    const claims = verify(bearerOf(req));
    return claims instanceof Promise ? claims.then(replyTo) : replyTo(claims);
  },
});
