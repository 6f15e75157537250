/**
 * A JWK set (RFC 7517) as an issuer publishes it → the public keys that may check its tokens. Keys
 * with a private part, symmetric ones, short ones and such for other uses are left out, never an error
 * of the whole set. One key serves one algorithm: its own `alg`, or the first configured one that fits.
 */
import { createPublicKey, type JsonWebKey, type KeyObject } from 'node:crypto';
import type { ForeignAlg } from './algorithms.js';

export type IssuerKey = {
  readonly kid: string | undefined;
  /** More than one only where they are names of the same: EdDSA and Ed25519. */
  readonly algs: readonly ForeignAlg[];
  readonly key: KeyObject;
  /** The same text = the same key. */
  readonly text: string;
};

const maxKeys = 100;
const maxExponent = 2n ** 32n;

/** Key type and, where there is one, curve of each algorithm. */
const kinds: Record<ForeignAlg, string> = {
  RS256: 'RSA',
  RS384: 'RSA',
  RS512: 'RSA',
  PS256: 'RSA',
  PS384: 'RSA',
  PS512: 'RSA',
  ES256: 'EC P-256',
  ES384: 'EC P-384',
  ES512: 'EC P-521',
  EdDSA: 'OKP Ed25519',
  Ed25519: 'OKP Ed25519',
};
const publicMembers = ['kty', 'n', 'e', 'crv', 'x', 'y'];
const privateMembers = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k'];

type Jwk = Readonly<Record<string, unknown>>;
const isJwk = (value: unknown): value is Jwk => typeof value === 'object' && value !== null;

const isForChecks = ({ use, key_ops: ops }: Jwk): boolean =>
  (use === undefined || use === 'sig') &&
  (ops === undefined || (Array.isArray(ops) && ops.includes('verify')));

const algsOf = ({ kty, crv, alg }: Jwk, allowed: readonly ForeignAlg[]): ForeignAlg[] => {
  const kind = kty === 'RSA' ? 'RSA' : `${kty} ${crv}`;
  const fitting = allowed.filter((name) => kinds[name] === kind);
  if (kind === 'OKP Ed25519') {
    const isNamed = alg === undefined || alg === 'EdDSA' || alg === 'Ed25519';
    return isNamed ? fitting : [];
  }
  return alg === undefined ? fitting.slice(0, 1) : fitting.filter((name) => name === alg);
};

/** Long moduli and exponents only cost time, which whoever publishes them would spend here. */
const isSound = (key: KeyObject): boolean => {
  const { modulusLength, publicExponent } = key.asymmetricKeyDetails ?? {};
  if (key.asymmetricKeyType !== 'rsa') return true;
  const bits = modulusLength ?? 0;
  return bits >= 2048 && bits <= 8192 && (publicExponent ?? maxExponent) < maxExponent;
};

const importKey = (jwk: Jwk): KeyObject | undefined => {
  const members = publicMembers.filter((name) => typeof jwk[name] === 'string');
  const key: JsonWebKey = Object.fromEntries(members.map((name) => [name, jwk[name]]));
  try {
    return createPublicKey({ key, format: 'jwk' });
  } catch {
    return undefined;
  }
};

const readKey = (jwk: unknown, allowed: readonly ForeignAlg[]): IssuerKey | undefined => {
  if (!isJwk(jwk) || privateMembers.some((name) => jwk[name] !== undefined)) return undefined;
  const { kid } = jwk;
  if (kid !== undefined && (typeof kid !== 'string' || kid.length > 256)) return undefined;
  const algs = isForChecks(jwk) ? algsOf(jwk, allowed) : [];
  const key = algs.length === 0 ? undefined : importKey(jwk);
  if (key === undefined || !isSound(key)) return undefined;
  return { kid, algs, key, text: JSON.stringify([kid, algs, key.export({ format: 'jwk' })]) };
};

/** Throws a plain Error when there is no usable key at all: such a set must not replace a good one. */
export const readKeySet = (
  answer: Readonly<Record<string, unknown>>,
  allowed: readonly ForeignAlg[],
): IssuerKey[] => {
  const list: unknown[] = Array.isArray(answer.keys) ? answer.keys : [];
  if (list.length > maxKeys) throw new Error(`the key set has more than ${maxKeys} keys`);
  const keys = list.map((jwk) => readKey(jwk, allowed)).filter((key) => key !== undefined);
  if (keys.length === 0) throw new Error('the key set has no usable key');
  return keys;
};

/** A token without `kid` is fine where only one key can be meant. */
export const pickKey = (
  keys: readonly IssuerKey[],
  kid: string | undefined,
  alg: ForeignAlg,
): KeyObject | undefined => {
  const fitting = keys.filter((key) => key.algs.includes(alg));
  if (kid === undefined) return fitting.length === 1 ? fitting[0]?.key : undefined;
  return fitting.find((key) => key.kid === kid)?.key;
};
