/**
 * The keyring: signing keys for access tokens and MAC keys for refresh and device tokens. Redis
 * holds it as one string (`keyring`), AES-256-GCM under KEY_ENCRYPTION_KEY, so that whoever reads the
 * store can sign nothing. The first process makes it (SET NX), everybody else reads it back; a
 * signing key for another algorithm is added by compare-and-set. Private keys never leave the gateway.
 */
import {
  createCipheriv,
  createDecipheriv,
  createHmac,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type JsonWebKey,
  type KeyObject,
  randomBytes,
  timingSafeEqual,
} from 'node:crypto';
import { calculateJwkThumbprint } from 'jose';
import { AppError } from '../../shared/errors.js';
import { defineScript, type RedisClient, storeCall } from '../../shared/redis.js';

const keyringKey = 'keyring';

/**
 * Replaces the keyring if nobody else did meanwhile.
 * KEYS: keyring. ARGV: the text that was read, the new text. Returns 1 when replaced, else 0.
 */
const swapLua = `
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2])
return 1`;

export const signingAlgs = ['EdDSA', 'RS256', 'ES256'] as const;
export type SigningAlg = (typeof signingAlgs)[number];
export type MacPurpose = 'refresh' | 'device';

type SigningEntry = { kid: string; alg: SigningAlg; created_at: number; jwk: JsonWebKey };
type MacEntry = { id: string; key: string };
/** Newest first in every list: the first of its kind is used, the others still verify. */
type Ring = { signing: SigningEntry[] } & Record<MacPurpose, MacEntry[]>;

export type VerifyingKey = { alg: SigningAlg; key: KeyObject };
export type Keyring = Awaited<ReturnType<typeof loadKeys>>;

/** How each algorithm makes its keys; 3072 bits of RSA are about 128 bits of strength. */
const makeKey: Record<SigningAlg, () => KeyObject> = {
  EdDSA: () => generateKeyPairSync('ed25519').privateKey,
  ES256: () => generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey,
  RS256: () => generateKeyPairSync('rsa', { modulusLength: 3072 }).privateKey,
};

const makeSigning = async (alg: SigningAlg, nowMs: number): Promise<SigningEntry> => {
  const jwk = makeKey[alg]().export({ format: 'jwk' });
  return { kid: await calculateJwkThumbprint(jwk), alg, created_at: nowMs, jwk };
};

const makeMac = (): MacEntry => ({
  id: randomBytes(3).toString('base64url'),
  key: randomBytes(32).toString('base64url'),
});

/** `v1.<iv>.<ciphertext>.<tag>`, base64url. */
const seal = (kek: Buffer, ring: Ring): string => {
  const iv = randomBytes(12);
  const cipher = createCipheriv('aes-256-gcm', kek, iv).setAAD(Buffer.from(keyringKey));
  const body = Buffer.concat([cipher.update(JSON.stringify(ring), 'utf8'), cipher.final()]);
  return ['v1', ...[iv, body, cipher.getAuthTag()].map((p) => p.toString('base64url'))].join('.');
};

const isRing = (value: unknown): value is Ring =>
  typeof value === 'object' &&
  value !== null &&
  ['signing', 'refresh', 'device'].every((name) => Array.isArray(Reflect.get(value, name)));

/** Throws a plain Error: this process must not start, or must keep the keys it has. */
const unseal = (kek: Buffer, text: string): Ring => {
  const [version, iv, body, tag] = text.split('.');
  if (version !== 'v1' || !iv || !body || !tag)
    throw new Error('the keyring in Redis is in a format that this version does not know');
  try {
    const options = { authTagLength: 16 };
    const decipher = createDecipheriv('aes-256-gcm', kek, Buffer.from(iv, 'base64url'), options)
      .setAAD(Buffer.from(keyringKey))
      .setAuthTag(Buffer.from(tag, 'base64url'));
    const plain = Buffer.concat([
      decipher.update(Buffer.from(body, 'base64url')),
      decipher.final(),
    ]);
    const ring: unknown = JSON.parse(plain.toString('utf8'));
    if (isRing(ring)) return ring;
  } catch {
    // The cause would say no more, and a SyntaxError would quote key material.
  }
  throw new Error(
    'KEY_ENCRYPTION_KEY does not open the keyring in Redis: it differs from the one that made it',
  );
};

/** The stored ring with a key for `alg` in it; makes either when it is missing. */
const openRing = async (redis: RedisClient, kek: Buffer, alg: SigningAlg, nowMs: number) => {
  const swap = defineScript(redis, { name: 'swapKeyring', keys: 1, lua: swapLua });
  for (;;) {
    const text = await storeCall(redis.get(keyringKey));
    if (text === null) {
      const signing = [await makeSigning(alg, nowMs)];
      const ring = { signing, refresh: [makeMac()], device: [makeMac()] };
      await storeCall(redis.set(keyringKey, seal(kek, ring), 'NX'));
      continue;
    }
    const ring = unseal(kek, text);
    if (ring.signing.some((entry) => entry.alg === alg)) return ring;
    const signing = [await makeSigning(alg, nowMs), ...ring.signing];
    await swap([keyringKey], [text, seal(kek, { ...ring, signing })]);
  }
};

const publicJwk = ({ jwk, kid, alg }: SigningEntry) => ({
  ...createPublicKey({ key: jwk, format: 'jwk' }).export({ format: 'jwk' }),
  kid,
  alg,
  use: 'sig',
});

const readRing = (ring: Ring) => ({
  jwks: { keys: ring.signing.map(publicJwk) },
  verifying: ring.signing.map(({ kid, alg, jwk }): [string, VerifyingKey] => [
    kid,
    { alg, key: createPublicKey({ key: jwk, format: 'jwk' }) },
  ]),
  macs: {
    refresh: ring.refresh.map(({ id, key }) => ({ id, key: Buffer.from(key, 'base64url') })),
    device: ring.device.map(({ id, key }) => ({ id, key: Buffer.from(key, 'base64url') })),
  },
});

const hmac = (key: Buffer, text: string) =>
  createHmac('sha256', key).update(text).digest('base64url');

/**
 * Opens the keyring. Throws store_unavailable, or a plain Error that says what is wrong with the key
 * encryption key; either way the process must not serve.
 */
export const loadKeys = async ({
  redis,
  kek,
  alg = 'EdDSA',
  now = Date.now,
}: {
  redis: RedisClient;
  kek: Buffer;
  alg?: SigningAlg;
  now?: () => number;
}) => {
  const ring = await openRing(redis, kek, alg, now());
  const entry = ring.signing.find((candidate) => candidate.alg === alg);
  if (entry === undefined) throw new Error(`the keyring has no ${alg} key`);
  const privateKey = createPrivateKey({ key: entry.jwk, format: 'jwk' });
  let current = readRing(ring);
  const verifying = new Map(current.verifying);
  const ownKeys: ReadonlyMap<string, VerifyingKey> = verifying;

  /** Takes in what other processes added; throws store_unavailable. The signing key stays. */
  const reload = async (): Promise<void> => {
    const text = await storeCall(redis.get(keyringKey));
    if (text === null) return;
    try {
      current = readRing(unseal(kek, text));
    } catch (cause) {
      throw new AppError('store_unavailable', { cause });
    }
    verifying.clear();
    for (const [kid, key] of current.verifying) verifying.set(kid, key);
  };

  /** MAC under the newest key of that purpose: 43 characters of base64url. */
  const mac = (purpose: MacPurpose, text: string): { keyId: string; mac: string } => {
    const [newest] = current.macs[purpose];
    if (newest === undefined) throw new Error(`the keyring has no ${purpose} key`);
    return { keyId: newest.id, mac: hmac(newest.key, text) };
  };

  /** Timing safe. Compares the text of the MAC, so that it has exactly one spelling. */
  const checkMac = (purpose: MacPurpose, keyId: string, text: string, claimed: string): boolean => {
    const found = current.macs[purpose].find((candidate) => candidate.id === keyId);
    if (found === undefined) return false;
    const expected = Buffer.from(hmac(found.key, text), 'latin1');
    const given = Buffer.from(claimed, 'utf8');
    return given.length === expected.length && timingSafeEqual(given, expected);
  };

  return {
    signing: { kid: entry.kid, alg, privateKey },
    /** Our own keys and nothing else, by key id. Changes in place. */
    verifying: ownKeys,
    jwks: (): object => current.jwks,
    mac,
    checkMac,
    reload,
  };
};
