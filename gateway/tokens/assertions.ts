/**
 * Client assertions (RFC 7523 § 3): a client proves itself with a JWT that it signed, about itself,
 * for us, living minutes and used once. Keys come from its registration and nowhere else; a header
 * that brings its own, or names an address, changes nothing.
 */
import { decodeJwt, decodeProtectedHeader, errors as joseErrors, jwtVerify } from 'jose';
import type { PublicKey } from '../clients/record.js';
import { isTime } from './life.js';
import { isCompact } from './parse.js';

const maxLength = 4096;
const maxLifeSeconds = 300;
const skewSeconds = 30;
const types = [undefined, 'JWT', 'client-authentication+jwt'];

/** Why not; for the log. */
export type Verdict = 'ok' | 'form' | 'key' | 'signature' | 'claims' | 'audience' | 'life' | 'used';
export type Assertions = ReturnType<typeof createAssertions>;

const isWellFormed = (text: string): boolean => text.length <= maxLength && isCompact(text);

/** EdDSA over Ed25519 goes by two names (RFC 9864). */
const algsOf = ({ alg }: PublicKey): string[] => (alg === 'EdDSA' ? [alg, 'Ed25519'] : [alg]);

/** The one key that the header means. Without a key id there must be no other of that algorithm. */
const findKey = (assertion: string, keys: readonly PublicKey[]): PublicKey | undefined => {
  const { kid, alg = '', typ } = decodeProtectedHeader(assertion);
  if (!types.includes(typ)) return undefined;
  const able = keys.filter((key) => algsOf(key).includes(alg));
  const named = kid === undefined ? able : able.filter((key) => key.kid === kid);
  return named.length === 1 ? named[0] : undefined;
};

export const createAssertions = ({
  audiences,
  claim,
  now = Date.now,
}: {
  /** What we are called: the issuer and the token endpoint. */
  audiences: readonly string[];
  /** True for the first use of this id. Throws store_unavailable. */
  claim: (clientId: string, jti: string, lifeMs: number) => Promise<boolean>;
  now?: () => number;
}) => {
  /** One of ours, or a list of nothing else: what is for others too may come from one of them. */
  const isForUs = (aud: unknown): boolean => {
    const list: unknown[] = Array.isArray(aud) ? aud : [aud];
    return list.length > 0 && list.every((name) => audiences.some((ours) => ours === name));
  };

  const checkClaims = async (clientId: string, claims: Record<string, unknown>) => {
    const { exp, iat, jti, aud } = claims;
    const nowSeconds = now() / 1000;
    if (!isForUs(aud)) return 'audience';
    if (!isTime(exp) || exp > nowSeconds + maxLifeSeconds + skewSeconds) return 'life';
    if (iat !== undefined && (!isTime(iat) || iat > nowSeconds + skewSeconds)) return 'life';
    if (typeof jti !== 'string' || jti === '' || jti.length > 256) return 'claims';
    const lifeMs = (exp + 2 * skewSeconds - nowSeconds) * 1000;
    return (await claim(clientId, jti, lifeMs)) ? 'ok' : 'used';
  };

  return {
    /** Whose it says it is, unproven; undefined when it is no JWT about a client. */
    clientIdOf: (assertion: string): string | undefined => {
      if (!isWellFormed(assertion)) return undefined;
      try {
        const { sub }: { sub?: unknown } = decodeJwt(assertion);
        return typeof sub === 'string' ? sub : undefined;
      } catch {
        return undefined;
      }
    },

    /** `ok` once for each assertion, over all edges. Throws store_unavailable. */
    check: async (
      assertion: string,
      { id, keys }: { id: string; keys: readonly PublicKey[] },
    ): Promise<Verdict> => {
      if (!isWellFormed(assertion)) return 'form';
      try {
        const key = findKey(assertion, keys);
        if (key === undefined) return 'key';
        const { payload } = await jwtVerify(assertion, key.key, {
          algorithms: algsOf(key),
          issuer: id,
          subject: id,
          clockTolerance: skewSeconds,
          currentDate: new Date(now()),
          requiredClaims: ['exp', 'jti', 'aud'],
        });
        return await checkClaims(id, payload);
      } catch (error) {
        if (error instanceof joseErrors.JWSSignatureVerificationFailed) return 'signature';
        if (error instanceof joseErrors.JOSEError) return 'claims';
        // decodeProtectedHeader says "not a header of a JWS" with a TypeError.
        if (error instanceof TypeError) return 'form';
        throw error;
      }
    },
  };
};
