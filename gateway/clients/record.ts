/**
 * What is known of an OAuth client, and what an administrator may say about one. Secrets are 256
 * random bits, so a plain SHA-256 of them is stored: there is nothing to guess that a slow hash would
 * slow down. `registry` keeps the records, `lookup` reads them for the edges.
 */
import { createHash, createPublicKey, type JsonWebKey, type KeyObject } from 'node:crypto';
import { AppError } from '../../shared/errors.js';
import { isObject } from '../../shared/json.js';
import type { Status } from '../../shared/status.js';

export const authMethods = [
  'client_secret_basic',
  'client_secret_post',
  'private_key_jwt',
] as const;
export const clientGrants = ['client_credentials', 'refresh_token'] as const;
/** Which tokens a client may ask about: none, its own (or those for it), all. */
export const introspectRights = ['none', 'own', 'any'] as const;

type AuthMethod = (typeof authMethods)[number];
export type ClientGrant = (typeof clientGrants)[number];
type AssertionAlg = 'EdDSA' | 'ES256' | 'RS256';
export type PublicKey = { kid: string | undefined; alg: AssertionAlg; key: KeyObject };
type StoredSecret = { hash: string; created_at: number };
type StoredKey = JsonWebKey & { kid?: string };

export type ClientRecord = {
  name: string;
  auth: AuthMethod;
  grants: readonly ClientGrant[];
  scopes: string;
  /** Of its access tokens; empty = this gateway's own AUDIENCE. */
  audience: string;
  introspect: (typeof introspectRights)[number];
  status: Status;
  /** Its tokens of a smaller one are dead. */
  gen: number;
  created_at: number;
  /** Newest first; two while rotating. */
  secrets: readonly StoredSecret[];
  jwks: readonly StoredKey[];
};

const idForm = /^c_[\w-]{22}$/;
const maxKeys = 5;

/** `c_` and 128 bits: what ids of ours look like. */
export const isClientId = (text: string): boolean => idForm.test(text);

/** What is stored of a secret, and compared in constant time. */
export const digestSecret = (secret: string): Buffer =>
  createHash('sha256').update(secret).digest();

/** RSA below 2,048 bits is weak, above 4,096 a way to keep us busy. */
const algOf = (key: KeyObject): AssertionAlg | undefined => {
  const { namedCurve, modulusLength = 0, publicExponent = 0n } = key.asymmetricKeyDetails ?? {};
  if (key.asymmetricKeyType === 'ed25519') return 'EdDSA';
  if (key.asymmetricKeyType === 'ec' && namedCurve === 'prime256v1') return 'ES256';
  const isStrong = modulusLength >= 2048 && modulusLength <= 4096 && publicExponent >= 65_537n;
  return key.asymmetricKeyType === 'rsa' && isStrong ? 'RS256' : undefined;
};

/** Undefined for anything but a public key that signs, of a kind we take. */
const readKey = (jwk: unknown): PublicKey | undefined => {
  if (!isObject(jwk) || 'd' in jwk || 'k' in jwk) return undefined;
  const { kid, use = 'sig' } = jwk;
  if (use !== 'sig' || !(kid === undefined || typeof kid === 'string')) return undefined;
  if (kid !== undefined && (kid === '' || kid.length > 128)) return undefined;
  try {
    const key = createPublicKey({ key: jwk, format: 'jwk' });
    const alg = algOf(key);
    const isMeant = [undefined, alg, alg === 'EdDSA' ? 'Ed25519' : alg].includes(asText(jwk.alg));
    return alg === undefined || !isMeant ? undefined : { kid, alg, key };
  } catch {
    return undefined;
  }
};

const asText = (value: unknown): string | undefined =>
  value === undefined ? undefined : String(value);

/** The keys of a JWK set, or of one that we have stored. Throws bad_request. */
export const readKeys = (value: unknown): PublicKey[] => {
  const list: unknown = isObject(value) ? value.keys : value;
  const keys = Array.isArray(list) ? list.map(readKey) : [];
  const good = keys.filter((key) => key !== undefined);
  const kids = good.flatMap(({ kid }) => kid ?? []);
  const isWhole = good.length === keys.length && new Set(kids).size === kids.length;
  if (!isWhole || good.length === 0 || good.length > maxKeys)
    throw new AppError('bad_request', { reason: 'jwks_invalid' });
  return good;
};

/** What a record has of its keys: public parts and ids only. */
export const storeKeys = (keys: readonly PublicKey[]): StoredKey[] =>
  keys.map(({ kid, key }) => ({
    ...key.export({ format: 'jwk' }),
    ...(kid === undefined ? {} : { kid }),
  }));

const isRecord = (value: unknown): value is ClientRecord =>
  isObject(value) &&
  ['name', 'auth', 'scopes', 'audience', 'introspect', 'status'].every(
    (name) => typeof value[name] === 'string',
  ) &&
  ['grants', 'secrets', 'jwks'].every((name) => Array.isArray(value[name])) &&
  typeof value.gen === 'number';

/** A record of ours; throws a plain Error for what is none. */
export const parseRecord = (text: string): ClientRecord => {
  const value: unknown = JSON.parse(text);
  if (!isRecord(value)) throw new Error('a client in Redis is in a form that is not known here');
  return value;
};
