/** The keyring as an operator sees it: which key signs, which comes next, which only verify. Nothing secret. */
import { macPurposes, pickMac } from './mac-ring.js';
import { type Ring, startOf } from './ring.js';

const showTime = (ms: number): string => new Date(ms).toISOString();

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
      created_at: showTime(entry.created_at),
      signs_from: showTime(startOf(entry)),
    }));

/** All keys behind refresh and device tokens, newest first. */
export const describeMacs = (ring: Ring, nowMs: number) =>
  macPurposes.flatMap((purpose) => {
    const signer = pickMac(ring[purpose], nowMs);
    return ring[purpose].map((entry) => ({
      id: entry.id,
      purpose,
      state: stateOf(entry.id === signer?.id, entry.signs_from, nowMs),
      created_at: showTime(entry.created_at),
      signs_from: showTime(entry.signs_from),
      until: entry.until === undefined ? null : showTime(entry.until),
    }));
  });
