/**
 * A keyring made usable: whose turn it is to sign goes by the clock, public keys by key id, MACs under
 * the newest key of their purpose. Everything changes in place when another ring is taken over.
 */
import {
  createHmac,
  createPrivateKey,
  createPublicKey,
  type JsonWebKey,
  type KeyObject,
  timingSafeEqual,
} from 'node:crypto';
import type { SigningAlg } from './algorithms.js';
import { type MacPurpose, pickMac } from './mac-ring.js';
import { nextTurnOf, pickSigner, type Ring, type SigningEntry } from './ring.js';

export type VerifyingKey = { alg: SigningAlg; key: KeyObject };
export type SigningKey = { kid: string; alg: SigningAlg; privateKey: KeyObject };

type Live = VerifyingKey & { jwk: JsonWebKey };

const minRsaBits = 2048;

const readPublic = ({ kid, alg, jwk }: SigningEntry): Live => {
  const key = createPublicKey({ key: jwk, format: 'jwk' });
  const { modulusLength = minRsaBits } = key.asymmetricKeyDetails ?? {};
  if (modulusLength < minRsaBits) throw new Error('an RSA key in the keyring is too short');
  return { alg, key, jwk: { ...key.export({ format: 'jwk' }), kid, alg, use: 'sig' } };
};

const readMacs = (ring: Ring, purpose: MacPurpose) =>
  ring[purpose].map((entry) => ({
    id: entry.id,
    signs_from: entry.signs_from,
    key: Buffer.from(entry.key, 'base64url'),
  }));

const hmac = (key: Buffer, text: string) =>
  createHmac('sha256', key).update(text).digest('base64url');

export const createLiveKeys = ({ alg, now }: { alg: SigningAlg; now: () => number }) => {
  const live = new Map<string, Live>();
  const verifying: ReadonlyMap<string, VerifyingKey> = live;
  let ring: Ring = { signing: [], refresh: [], device: [] };
  let macs = { refresh: readMacs(ring, 'refresh'), device: readMacs(ring, 'device') };
  let signer: SigningKey | undefined;
  let nextTurn = 0;

  const takeTurn = (nowMs: number): SigningKey => {
    const entry = pickSigner(ring, alg, nowMs);
    if (entry === undefined) throw new Error('the keyring has no signing key');
    nextTurn = nextTurnOf(ring, nowMs);
    const { kid, jwk } = entry;
    if (signer?.kid !== kid)
      signer = { kid, alg: entry.alg, privateKey: createPrivateKey({ key: jwk, format: 'jwk' }) };
    return signer;
  };

  /** The key to sign with at this moment. */
  const signing = (): SigningKey => {
    const nowMs = now();
    return signer !== undefined && nowMs < nextTurn ? signer : takeTurn(nowMs);
  };

  /** Takes all of it or, when a key in it is unusable, throws and takes nothing. */
  const take = (next: Ring) => {
    const added = next.signing.filter(({ kid }) => !live.has(kid));
    const read = added.map((entry): [string, Live] => [entry.kid, readPublic(entry)]);
    const kept = new Set(next.signing.map(({ kid }) => kid));
    for (const kid of live.keys()) if (!kept.has(kid)) live.delete(kid);
    for (const [kid, key] of read) live.set(kid, key);
    macs = { refresh: readMacs(next, 'refresh'), device: readMacs(next, 'device') };
    ring = next;
    takeTurn(now());
  };

  return {
    take,
    signing,
    /** Our own keys and nothing else, by key id. Changes in place. */
    verifying,
    jwks: (): object => ({ keys: [...live.values()].map(({ jwk }) => jwk) }),

    /** MAC under the newest key of that purpose whose turn has come: 43 characters of base64url. */
    mac: (purpose: MacPurpose, text: string): { keyId: string; mac: string } => {
      const newest = pickMac(macs[purpose], now());
      if (newest === undefined) throw new Error(`the keyring has no ${purpose} key`);
      return { keyId: newest.id, mac: hmac(newest.key, text) };
    },

    hasMac: (purpose: MacPurpose, keyId: string): boolean =>
      macs[purpose].some(({ id }) => id === keyId),

    /** Timing safe. Compares the text of the MAC, so that it has exactly one spelling. */
    checkMac: (purpose: MacPurpose, keyId: string, text: string, claimed: string): boolean => {
      const found = macs[purpose].find((candidate) => candidate.id === keyId);
      if (found === undefined) return false;
      const expected = Buffer.from(hmac(found.key, text), 'latin1');
      const given = Buffer.from(claimed, 'utf8');
      return given.length === expected.length && timingSafeEqual(given, expected);
    },
  };
};
