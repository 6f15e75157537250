/**
 * Access tokens: JWT `at+jwt` as in RFC 9068. Signed synchronously with node:crypto, because a trip
 * through the thread pool costs more than the 30 µs of an Ed25519 signature and would queue behind
 * name lookups and file reads. The header segment is made once per key.
 */
import type { KeyObject } from 'node:crypto';
import { newId } from '../../shared/new-id.js';
import { algorithms, type SigningAlg } from './algorithms.js';

export type Sign = ReturnType<typeof createSign>;
type Signing = { kid: string; alg: SigningAlg; privateKey: KeyObject };

const encode = (text: string) => Buffer.from(text).toString('base64url');

/** What all tokens of one key have in common. */
const prepare = ({ kid, alg, privateKey }: Signing) => ({
  kid,
  header: encode(JSON.stringify({ alg, typ: 'at+jwt', kid })),
  signInput: (input: Buffer) => algorithms[alg].sign(privateKey, input),
});

/** A function that issues one access token. Its claims must come from a verdict or a session. */
export const createSign = ({
  keys,
  issuer,
  audience,
  ttlSeconds,
  now = Date.now,
}: {
  /** The key of this moment: it changes with each rotation. */
  keys: { readonly signing: Signing };
  issuer: string;
  audience: string;
  ttlSeconds: number;
  now?: () => number;
}) => {
  const startFor = (aud: string) =>
    `{"iss":${JSON.stringify(issuer)},"aud":${JSON.stringify(aud)},"sub":`;
  const start = startFor(audience);
  let signer = prepare(keys.signing);

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
    const { signing } = keys;
    if (signing.kid !== signer.kid) signer = prepare(signing);
    const iat = Math.floor(now() / 1000);
    const jti = newId();
    const from = grant.audience === undefined ? start : startFor(grant.audience);
    const sid = grant.sessionId === undefined ? '' : `"sid":"${grant.sessionId}",`;
    // Only what an administrator may have chosen freely needs escaping.
    const payload = `${from}${JSON.stringify(grant.userId)},"iat":${iat},"exp":${iat + ttlSeconds},"jti":"${jti}","client_id":${JSON.stringify(grant.clientId)},${sid}"gen":${grant.gen},"scope":${JSON.stringify(grant.scope)}}`;
    const input = `${signer.header}.${encode(payload)}`;
    const signature = signer.signInput(Buffer.from(input, 'latin1')).toString('base64url');
    return { token: `${input}.${signature}`, expiresInSeconds: ttlSeconds, jti };
  };
};
