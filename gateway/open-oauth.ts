/** OAuth put together: clients, how they prove themselves, and the endpoints for them. */
import type { Addresses } from './address.js';
import { createAuthenticate } from './clients/authenticate.js';
import { createGuesses } from './clients/guesses.js';
import { createLookup } from './clients/lookup.js';
import { createClientRegistry } from './clients/registry.js';
import { createReplay } from './clients/replay.js';
import type { Config } from './config.js';
import type { Limits } from './limits/limits.js';
import type { OpenTokens } from './open-tokens.js';
import { createOauthIntrospect } from './routes/oauth-introspect.js';
import { createMetadata, endpointsOf } from './routes/oauth-metadata.js';
import { createOauthRevoke } from './routes/oauth-revoke.js';
import { createOauthToken } from './routes/oauth-token.js';
import type { SessionEnd } from './sessions/session-end.js';
import type { Sessions } from './sessions/sessions.js';
import { createAssertions } from './tokens/assertions.js';

export const openOauth = (
  { issuer }: Pick<Config, 'issuer'>,
  tokens: OpenTokens,
  parts: { sessions: Sessions; sessionEnd: SessionEnd; limits: Limits; addresses: Addresses },
) => {
  const { redis, revocations, sign, verifyIssued, verifySigned, mayHaveBeen, reads } = tokens;
  const { look, revoked } = reads;
  const { sessions, sessionEnd, limits, addresses } = parts;
  const lookup = createLookup(createClientRegistry({ redis }));
  const audiences = [issuer, endpointsOf(issuer).token];
  const assertions = createAssertions({ audiences, claim: createReplay({ redis }) });
  const authenticate = createAuthenticate({ lookup, assertions, limits, addresses });
  const common = { authenticate, sessions, look };
  return [
    createOauthToken({ ...common, sign, sessionEnd }),
    createOauthIntrospect({
      ...{ ...common, lookup, verifyIssued, mayHaveBeen, revoked, issuer },
      countGuess: createGuesses({ redis }),
    }),
    createOauthRevoke({ ...common, verifySigned, revoked, revocations, sessionEnd }),
    ...createMetadata({ issuer }),
  ];
};
