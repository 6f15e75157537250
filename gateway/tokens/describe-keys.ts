/** The keyring as an operator sees it: which key signs, which comes next, which only verify. Nothing secret. */
import { macPurposes, macStartOf, pickMac } from './mac-ring.js';
import { type Ring, startOf } from './ring.js';

const showTime = (ms: number | undefined): string | null =>
  ms === undefined ? null : new Date(ms).toISOString();

const stateOf = (isSigning: boolean, startsAt: number, nowMs: number) => {
  if (isSigning) return 'signing';
  return startsAt > nowMs ? 'next' : 'retired';
};

/** All signing keys, the last to sign first; `signingKid`: whose turn it is. */
export const describeSigning = (ring: Ring, signingKid: string, nowMs: number) =>
  [...ring.signing]
    .sort((a, b) => startOf(b) - startOf(a))
    .map((entry) => ({
      kid: entry.kid,
      alg: entry.alg,
      state: stateOf(entry.kid === signingKid, startOf(entry), nowMs),
      created_at: new Date(entry.created_at).toISOString(),
      signs_from: new Date(startOf(entry)).toISOString(),
    }));

/** All keys behind refresh and device tokens, newest first. */
export const describeMacs = (ring: Ring, nowMs: number) =>
  macPurposes.flatMap((purpose) => {
    const signer = pickMac(ring[purpose], nowMs);
    return ring[purpose].map((entry) => ({
      id: entry.id,
      purpose,
      state: stateOf(entry.id === signer?.id, macStartOf(entry), nowMs),
      created_at: showTime(entry.created_at),
      signs_from: showTime(entry.signs_from),
      until: showTime(entry.until),
    }));
  });
