/**
 * Narrows a token check to tokens of users. A client that acts for itself has a valid token too, but no
 * account and no session, so calls about either are closed to it whatever its scopes.
 */
import { AppError } from '../../shared/errors.js';
import type { Claims, Verifier } from './verify.js';

type Verify = Verifier['verify'];

const refuseClient = (claims: Claims): Claims => {
  if (claims.sid === '') throw new AppError('insufficient_scope', { detail: 'no session' });
  return claims;
};

/** The same check; throws insufficient_scope for a valid token without a session. */
export const usersOnly =
  (verify: Verify): Verify =>
  (token) => {
    const claims = verify(token);
    return claims instanceof Promise ? claims.then(refuseClient) : refuseClient(claims);
  };
