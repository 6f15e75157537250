/** External issuers put together, when there are any. */
import type { Log } from '../../shared/log.js';
import type { Metrics } from '../../shared/metrics.js';
import type { Config } from '../config.js';
import { checkForeign } from '../tokens/foreign.js';
import type { Verifier } from '../tokens/verify.js';
import { createVerifyAny, type VerifyAny } from '../verify-any.js';
import { createIssuers } from './issuers.js';
import { createIssuerMeters } from './meters.js';

/** Without external issuers a check is our own check, with nothing in between. */
export const openVerifyAny = (
  {
    config: { externalIssuers: settings },
    log,
    metrics,
  }: { config: Pick<Config, 'externalIssuers'>; log: Log; metrics: Metrics },
  verify: Verifier['verify'],
): VerifyAny => {
  if (settings.length === 0) return verify;
  const issuers = createIssuers({ settings, checkSignature: checkForeign, log });
  createIssuerMeters({ metrics, issuers });
  return createVerifyAny({ verify, issuers });
};
