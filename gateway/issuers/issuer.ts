/** One configured issuer: its line, its way of checking, and what is counted about it. */
import { codeOf } from '../../shared/errors.js';
import { type External, readExternal } from './identity.js';
import { createIntrospection } from './introspect.js';
import { type CheckSignature, createJwtCheck } from './jwt.js';
import { createIssuerKeys } from './keys.js';
import { createLine, type LineLog } from './line.js';
import type { IntrospectionIssuer, IssuerSettings, JwksIssuer } from './settings.js';
import type { Shape } from './shape.js';

export type Issuer = ReturnType<typeof createIssuer>;
export type Given = {
  checkSignature: CheckSignature;
  log: LineLog;
  /** The time of day, for what claims say. */
  now: () => number;
  /** In ms, of a clock that does not jump, for how long something lasts. */
  clock: () => number;
  random?: () => number;
};
type Claims = Readonly<Record<string, unknown>>;

/** A single failure is enough to wait with the next reading of keys; tokens may be bad luck. */
const failuresToOpen = { jwks: 1, introspection: 5 };

const openJwks = (settings: JwksIssuer, given: Given) => {
  const { log, now, clock, random, checkSignature } = given;
  const { name, jwksUrl: url, algorithms } = settings;
  const timing = { now: clock, ...(random ? { random } : {}) };
  const line = createLine({ name, failuresToOpen: failuresToOpen.jwks, log, ...timing });
  const keys = createIssuerKeys({ url, algorithms, line, now: clock });
  const check = createJwtCheck({ settings, keys, checkSignature, now });
  return {
    line,
    // Only JWTs that name this issuer are brought here.
    check: (token: string, shape: Shape): Promise<Claims> =>
      shape.kind === 'jwt' ? check(token, shape) : Promise.reject(new Error('no JWT')),
    epoch: keys.epoch,
    warm: keys.warm,
    isStale: () => keys.stats().isStale,
  };
};

const openIntrospection = (settings: IntrospectionIssuer, { log, clock, random }: Given) => {
  const timing = { now: clock, ...(random ? { random } : {}) };
  const { name } = settings;
  const line = createLine({ name, failuresToOpen: failuresToOpen.introspection, log, ...timing });
  const check = createIntrospection({ settings, line });
  return {
    line,
    check: (token: string, _shape: Shape): Promise<Claims> => check(token),
    epoch: () => 0,
    warm: () => {},
    isStale: () => false,
  };
};

export const createIssuer = (settings: IssuerSettings, given: Given) => {
  const way =
    settings.kind === 'jwks' ? openJwks(settings, given) : openIntrospection(settings, given);
  const counts = { hit: 0, shared: 0, valid: 0, invalid: 0, unknown: 0 };

  const count = (error: unknown) => {
    const code = codeOf(error);
    if (code === 'token_invalid' || code === 'token_expired') counts.invalid++;
    else counts.unknown++;
  };

  return {
    settings,
    epoch: way.epoch,
    warm: way.warm,
    hit: () => void counts.hit++,
    joined: () => void counts.shared++,
    /** Throws token_invalid, token_expired or issuer_unavailable. */
    check: async (
      token: string,
      shape: Shape,
    ): Promise<{ external: External; endSeconds: number | undefined }> => {
      try {
        const claims = await way.check(token, shape);
        const read = readExternal(claims, settings, given.now());
        counts.valid++;
        return read;
      } catch (error) {
        count(error);
        throw error;
      }
    },
    stats: () => ({ checks: { ...counts }, line: way.line.stats(), isStale: way.isStale() }),
  };
};
