/**
 * Tokens of other issuers: finds the one issuer that a token may be shown to, asks it once however many
 * requests carry the token, and remembers the answer. Three answers: valid, invalid, and unknown
 * (issuer_unavailable) when the issuer cannot be asked; unknown is never kept.
 *
 * A JWT concerns the issuer that its `iss` names, nobody else. An opaque token concerns the issuer with
 * the longest `token_prefix` that it begins with, or the one introspection issuer without a prefix.
 */
import { hash } from 'node:crypto';
import type { External } from './identity.js';
import { createIssuer, type Given, type Issuer } from './issuer.js';
import { createResults } from './results.js';
import type { IssuerSettings } from './settings.js';
import { type Shape, shapeOf } from './shape.js';
import { unavailable } from './unavailable.js';

export type Issuers = ReturnType<typeof createIssuers>;

/** Tokens that wait for an issuer. Over it, whoever comes is told to come again. */
const maxPending = 2048;

const prefixOf = ({ settings }: Issuer): string =>
  (settings.kind === 'introspection' ? settings.tokenPrefix : undefined) ?? '';

export const createIssuers = ({
  settings,
  size = 10_000,
  now = Date.now,
  clock = () => performance.now(),
  ...given
}: {
  settings: readonly IssuerSettings[];
  size?: number;
  now?: () => number;
  clock?: () => number;
} & Omit<Given, 'now' | 'clock'>) => {
  const issuers = settings.map((one) => createIssuer(one, { ...given, now, clock }));
  const byName = new Map(issuers.map((issuer) => [issuer.settings.issuer, issuer]));
  const forOpaque = issuers
    .filter((issuer) => issuer.settings.kind === 'introspection')
    .sort((a, b) => prefixOf(b).length - prefixOf(a).length);
  const results = createResults({ size, now, clock });
  const pending = new Map<string, { checked: Promise<External>; issuer: Issuer }>();
  for (const issuer of issuers) issuer.warm();

  const issuerOf = (token: string, shape: Shape): Issuer | undefined =>
    shape.kind === 'jwt'
      ? byName.get(shape.iss)
      : forOpaque.find((issuer) => token.startsWith(prefixOf(issuer)));

  const check = async (key: string, token: string, shape: Shape, issuer: Issuer) => {
    // Before the check: what changes while it runs makes the result void.
    const epoch = issuer.epoch();
    const { hit } = issuer;
    try {
      const { external, endSeconds } = await issuer.check(token, shape);
      results.keep(key, { external, endSeconds, epoch, epochNow: issuer.epoch, hit });
      return external;
    } catch (error) {
      results.refuse(key, error, hit);
      throw error;
    }
  };

  const checkOnce = (key: string, token: string, shape: Shape, issuer: Issuer) => {
    if (pending.size >= maxPending) throw unavailable('too many tokens wait');
    const checked = check(key, token, shape, issuer).finally(() => pending.delete(key));
    pending.set(key, { checked, issuer });
    return checked;
  };

  const join = (key: string): Promise<External> | undefined => {
    const running = pending.get(key);
    running?.issuer.joined();
    return running?.checked;
  };

  return {
    /**
     * Who the token stands for: at once where it is known, else as a promise. Undefined: it is of
     * none of these issuers. Throws token_invalid, token_expired, or issuer_unavailable.
     */
    verify: (token: string): External | Promise<External> | undefined => {
      const key = hash('sha256', token, 'base64url');
      const known = results.find(key) ?? join(key);
      if (known !== undefined) return known;
      const shape = shapeOf(token);
      const issuer = shape && issuerOf(token, shape);
      return shape && issuer && checkOnce(key, token, shape, issuer);
    },

    stats: () => ({
      cache: results.stats(),
      issuers: issuers.map((issuer) => ({ name: issuer.settings.name, ...issuer.stats() })),
    }),
  };
};
