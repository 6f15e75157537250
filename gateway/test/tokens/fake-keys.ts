/** A keyring without a store, and tokens that its keys sign but that createSign would never issue. */
import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import type { SigningAlg, VerifyingKey } from '../../tokens/keys.js';
import { createReread } from '../../tokens/reread.js';

export const issuer = 'https://login.example';
export const audience = 'https://api.example';
export const nowMs = 1_800_000_000_000;
export const nowSeconds = nowMs / 1000;

const pairs: Record<SigningAlg, () => { publicKey: KeyObject; privateKey: KeyObject }> = {
  EdDSA: () => generateKeyPairSync('ed25519'),
  ES256: () => generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  RS256: () => generateKeyPairSync('rsa', { modulusLength: 2048 }),
};

export const createFakeKeys = (alg: SigningAlg = 'EdDSA', kid = `kid-${alg}`) => {
  const { publicKey, privateKey } = pairs[alg]();
  const verifying = new Map<string, VerifyingKey>([[kid, { alg, key: publicKey }]]);
  const calls = { reload: 0 };
  const clock = { now: nowMs };
  const keys = {
    signing: { kid, alg, privateKey },
    verifying,
    publicKey,
    calls,
    /** Of `reread` alone. */
    clock,
    reload: async (): Promise<void> => {
      calls.reload++;
    },
    reread: createReread({ reload: (): Promise<void> => keys.reload(), now: () => clock.now }),
  };
  return keys;
};
export type FakeKeys = ReturnType<typeof createFakeKeys>;

export const sessionId = `${'u'.repeat(22)}.${'s'.repeat(22)}`;
export const grant = { userId: 'u_1', sessionId, gen: 3, scope: 'account', clientId: 'c_1' };

export const goodClaims = {
  iss: issuer,
  aud: audience,
  sub: 'u_1',
  iat: nowSeconds,
  exp: nowSeconds + 600,
  jti: 'j1',
  client_id: 'c_1',
  sid: sessionId,
  gen: 3,
  scope: 'account',
};

export const encode = (value: unknown): string =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');

type Forged = { header?: object; claims?: object };

export const signInput = ({ alg, privateKey }: FakeKeys['signing'], input: string): Buffer => {
  if (alg === 'EdDSA') return sign(null, Buffer.from(input), privateKey);
  const key = { key: privateKey, dsaEncoding: 'ieee-p1363' } as const;
  return sign('sha256', Buffer.from(input), alg === 'ES256' ? key : privateKey);
};

/** Correctly signed, whatever it says. */
export const forge = (keys: FakeKeys, { header, claims }: Forged = {}): string => {
  const { kid, alg } = keys.signing;
  const head = encode({ alg, typ: 'at+jwt', kid, ...header });
  const input = `${head}.${encode({ ...goodClaims, ...claims })}`;
  return `${input}.${signInput(keys.signing, input).toString('base64url')}`;
};
