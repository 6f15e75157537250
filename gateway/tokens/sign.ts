/**
 * Access tokens: JWT `at+jwt` as in RFC 9068. Signed synchronously with node:crypto, because a trip
 * through the thread pool costs more than the 30 µs of an Ed25519 signature and would queue behind
 * name lookups and file reads. The header segment is made once.
 */
import { type KeyObject, randomBytes, sign as signBytes } from 'node:crypto';
import type { SigningAlg } from './keys.js';

export type Sign = ReturnType<typeof createSign>;
type Signing = { kid: string; alg: SigningAlg; privateKey: KeyObject };

const encode = (text: string) => Buffer.from(text).toString('base64url');

/** JWS wants the two numbers of an ECDSA signature side by side, not DER (RFC 7518 § 3.4). */
const signerOf = ({ alg, privateKey }: Signing): ((input: Buffer) => Buffer) => {
  if (alg === 'EdDSA') return (input) => signBytes(null, input, privateKey);
  if (alg === 'RS256') return (input) => signBytes('sha256', input, privateKey);
  const key = { key: privateKey, dsaEncoding: 'ieee-p1363' as const };
  return (input) => signBytes('sha256', input, key);
};

/** A function that issues one access token. Its claims must come from a verdict or a session. */
export const createSign = ({
  keys,
  issuer,
  audience,
  ttlSeconds,
  now = Date.now,
}: {
  keys: { signing: Signing };
  issuer: string;
  audience: string;
  ttlSeconds: number;
  now?: () => number;
}) => {
  const { kid, alg } = keys.signing;
  const header = encode(JSON.stringify({ alg, typ: 'at+jwt', kid }));
  const startFor = (aud: string) =>
    `{"iss":${JSON.stringify(issuer)},"aud":${JSON.stringify(aud)},"sub":`;
  const start = startFor(audience);
  const signInput = signerOf(keys.signing);

  return (grant: {
    userId: string;
    /** None for a client that acts for itself. */
    sessionId?: string;
    gen: number;
    scope: string;
    clientId: string;
    /** Another resource server than this gateway's own. */
    audience?: string;
  }): { token: string; expiresInSeconds: number; jti: string } => {
    const iat = Math.floor(now() / 1000);
    const jti = randomBytes(16).toString('base64url');
    const from = grant.audience === undefined ? start : startFor(grant.audience);
    const sid = grant.sessionId === undefined ? '' : `"sid":"${grant.sessionId}",`;
    // Only what an administrator may have chosen freely needs escaping.
    const payload = `${from}${JSON.stringify(grant.userId)},"iat":${iat},"exp":${iat + ttlSeconds},"jti":"${jti}","client_id":${JSON.stringify(grant.clientId)},${sid}"gen":${grant.gen},"scope":${JSON.stringify(grant.scope)}}`;
    const input = `${header}.${encode(payload)}`;
    const signature = signInput(Buffer.from(input, 'latin1')).toString('base64url');
    return { token: `${input}.${signature}`, expiresInSeconds: ttlSeconds, jti };
  };
};
