/**
 * What our tokens may be signed with, one row each: how a key is made, how it signs, how a signature is
 * checked. All of it node:crypto and, but for making keys, synchronous: see sign.ts and verify.ts.
 */
import {
  generateKeyPair,
  type KeyObject,
  sign as signBytes,
  verify as verifyBytes,
} from 'node:crypto';
import { promisify } from 'node:util';

export const signingAlgs = ['EdDSA', 'RS256', 'ES256'] as const;
export type SigningAlg = (typeof signingAlgs)[number];

type Algorithm = {
  /** In the thread pool: an RSA key takes half a second. */
  make: () => Promise<KeyObject>;
  sign: (key: KeyObject, input: Buffer) => Buffer;
  /** Exactly this key, algorithm and form of signature; anything else is false, never an error. */
  verify: (key: KeyObject, input: Buffer, signature: Buffer) => boolean;
};

const make = promisify(generateKeyPair);

/** JWS wants the two numbers of an ECDSA signature side by side, not DER (RFC 7518 § 3.4). */
const sideBySide = (key: KeyObject) => ({ key, dsaEncoding: 'ieee-p1363' as const });

export const algorithms: Readonly<Record<SigningAlg, Algorithm>> = {
  EdDSA: {
    make: async () => (await make('ed25519')).privateKey,
    sign: (key, input) => signBytes(null, input, key),
    verify: (key, input, signature) =>
      signature.length === 64 && verifyBytes(null, input, key, signature),
  },
  ES256: {
    make: async () => (await make('ec', { namedCurve: 'P-256' })).privateKey,
    sign: (key, input) => signBytes('sha256', input, sideBySide(key)),
    verify: (key, input, signature) =>
      signature.length === 64 && verifyBytes('sha256', input, sideBySide(key), signature),
  },
  RS256: {
    // 3072 bits are about 128 bits of strength.
    make: async () => (await make('rsa', { modulusLength: 3072 })).privateKey,
    sign: (key, input) => signBytes('sha256', input, key),
    verify: (key, input, signature) => verifyBytes('sha256', input, key, signature),
  },
};
