/**
 * The keyring as data, and the rules of its rotation; no clock, no store. A signing key is published
 * from its creation, signs from `signs_from` until its successor does, and stays for as long as a token
 * of its own may live:
 *
 *     old  ── signs ──────────────────┤ still verifies ─┤ gone
 *     new          ├─ published only ─┤ signs …
 */
import type { JsonWebKey } from 'node:crypto';
import { calculateJwkThumbprint } from 'jose';
import { algorithms, type SigningAlg } from './algorithms.js';
import { maxTokenMs, skewMs } from './life.js';
import { type MacEntry, type MacPurpose, makeMac } from './mac-ring.js';

/** The life of the last access token, clocks apart by a minute, and one more of margin. */
const lastTokenMs = maxTokenMs + 2 * skewMs;

/** How long others may hold a copy of our JWKS (`max-age` 300 s), and the minute of the clocks. */
const publishedMs = 6 * 60_000;

export type SigningEntry = {
  kid: string;
  alg: SigningAlg;
  created_at: number;
  /** Rings of earlier versions have none: their keys signed at once. */
  signs_from?: number;
  jwk: JsonWebKey;
};
/** Newest first in every list. */
export type Ring = {
  /** Grows with every change, so that a copy from before a fail-over is known as old. */
  serial?: number;
  signing: SigningEntry[];
} & Record<MacPurpose, MacEntry[]>;

/** Only the shape: who could open the ring had the key to it. */
export const isRing = (value: unknown): value is Ring =>
  typeof value === 'object' &&
  value !== null &&
  ['signing', 'refresh', 'device'].every((name) => Array.isArray(Reflect.get(value, name)));

/** A key whose id is its thumbprint (RFC 7638). Its times count from when it is made: RSA is slow. */
export const makeSigning = async (
  alg: SigningAlg,
  { now, leadMs }: { now: () => number; leadMs: number },
): Promise<SigningEntry> => {
  const jwk = (await algorithms[alg].make()).export({ format: 'jwk' });
  const kid = await calculateJwkThumbprint(jwk);
  const createdAt = now();
  return { kid, alg, created_at: createdAt, signs_from: createdAt + leadMs, jwk };
};

/** The first ring of an installation: its keys sign at once, nobody has older ones. */
export const makeRing = async (alg: SigningAlg, now: () => number): Promise<Ring> => ({
  serial: 1,
  signing: [await makeSigning(alg, { now, leadMs: 0 })],
  refresh: [makeMac([], now())],
  device: [makeMac([], now())],
});

/** 0 for rings of earlier versions. */
export const serialOf = ({ serial = 0 }: Ring): number => serial;

/** The next ring, with these signing keys. */
export const withSigning = (ring: Ring, signing: SigningEntry[]): Ring => ({
  ...ring,
  serial: serialOf(ring) + 1,
  signing,
});

/** The next ring, with these MAC keys and the others as they are. */
export const withMacs = (ring: Ring, macs: Partial<Record<MacPurpose, MacEntry[]>>): Ring => ({
  ...ring,
  ...macs,
  serial: serialOf(ring) + 1,
});

/** From when on a key signs, ms since 1970. */
export const startOf = ({ signs_from, created_at }: SigningEntry): number =>
  signs_from ?? created_at;

const newestFirst = (entries: readonly SigningEntry[]) =>
  [...entries].sort((a, b) => startOf(b) - startOf(a));

/** The key of that algorithm that signs last: now, or when it is its turn. */
export const findNewest = ({ signing }: Ring, alg: SigningAlg): SigningEntry | undefined =>
  newestFirst(signing).find((entry) => entry.alg === alg);

/**
 * The key to sign with: the newest of our algorithm whose turn has come. After a change of algorithm
 * the other one goes on until then. Two gateways with two settings each keep to their own.
 */
export const pickSigner = (
  { signing }: Ring,
  alg: SigningAlg,
  nowMs: number,
): SigningEntry | undefined => {
  const isOurs = (entry: SigningEntry) => entry.alg === alg;
  const newest = newestFirst(signing);
  const started = newest.filter((entry) => startOf(entry) <= nowMs);
  const [first] = newest.filter(isOurs).slice(-1);
  return started.find(isOurs) ?? started[0] ?? first ?? newest.at(-1);
};

/** When somebody else may be the signer; infinity when nobody waits. */
export const nextTurnOf = ({ signing }: Ring, nowMs: number): number =>
  Math.min(...signing.map(startOf).filter((start) => start > nowMs), Number.POSITIVE_INFINITY);

/** How long a new key is only published. Shorter for intervals as tests have them. */
export const leadOf = (intervalMs: number): number =>
  intervalMs === 0 ? publishedMs : Math.min(publishedMs, intervalMs / 4);

/** Time for a new key? `intervalMs` 0 = only when there is none of our algorithm. */
export const isDue = (
  ring: Ring,
  alg: SigningAlg,
  { intervalMs, nowMs }: { intervalMs: number; nowMs: number },
): boolean => {
  const newest = findNewest(ring, alg);
  if (newest === undefined) return true;
  return intervalMs > 0 && newest.created_at + intervalMs <= nowMs;
};

/**
 * The keys that may still be needed. A key goes when the last token it can have signed is dead; the
 * newest of an algorithm that nobody renews goes after one more interval.
 */
export const keepLive = (
  { signing }: Ring,
  { intervalMs, nowMs }: { intervalMs: number; nowMs: number },
): SigningEntry[] => {
  const isOver = (old: SigningEntry) =>
    signing.some((next) => {
      if (startOf(next) <= startOf(old)) return false;
      if (next.alg === old.alg) return startOf(next) + lastTokenMs < nowMs;
      return intervalMs > 0 && startOf(next) + intervalMs + lastTokenMs < nowMs;
    });
  return signing.filter((entry) => !isOver(entry));
};
