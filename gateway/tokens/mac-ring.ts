/**
 * The rules by which the keys behind refresh and device tokens change; no clock, no store. As with signing
 * keys, a new one is known to every edge before it signs, and an old one stays as long as something
 * that it signed may be presented: a session's absolute end, the age of a device token.
 */
import { randomBytes } from 'node:crypto';
import { skewMs } from './life.js';

export const macPurposes = ['refresh', 'device'] as const;
export type MacPurpose = (typeof macPurposes)[number];

/** Times in ms since 1970. */
export type MacEntry = {
  id: string;
  key: string;
  created_at: number;
  signs_from: number;
  /** When nothing that it signed is of use any more; there once it has a successor. */
  until?: number;
};
/** Newest first. */
type Entries = readonly MacEntry[];

/** Edges hear of a new key within milliseconds, and look for themselves every few seconds. */
const leadMs = 60_000;

const newId = (entries: Entries): string => {
  const id = randomBytes(3).toString('base64url');
  return entries.some((entry) => entry.id === id) ? newId(entries) : id;
};

/** A new key of 256 bits under an id that none of `entries` has. It signs at once, or from `startsAt` on. */
export const makeMac = (entries: Entries, nowMs: number, startsAt = nowMs): MacEntry => ({
  id: newId(entries),
  key: randomBytes(32).toString('base64url'),
  created_at: nowMs,
  signs_from: startsAt,
});

/** The newest whose turn has come. */
export const pickMac = <T extends Pick<MacEntry, 'signs_from'>>(
  entries: readonly T[],
  nowMs: number,
): T | undefined =>
  entries.find(({ signs_from }) => signs_from <= nowMs) ?? entries[entries.length - 1];

/**
 * With a key that signs next; undefined while one waits already. `keepMs`: how long at most something that
 * is signed today may be presented.
 */
export const rotateMacs = (
  entries: Entries,
  { nowMs, keepMs }: { nowMs: number; keepMs: number },
): MacEntry[] | undefined => {
  if (entries.some(({ signs_from }) => signs_from > nowMs)) return undefined;
  const startsAt = nowMs + leadMs;
  const until = startsAt + keepMs + skewMs;
  const next = makeMac(entries, nowMs, startsAt);
  return [next, ...entries.map((entry) => ({ ...entry, until: entry.until ?? until }))];
};

/** Those that may still be needed. */
export const keepLiveMacs = (entries: Entries, nowMs: number): MacEntry[] =>
  entries.filter(({ until }) => until === undefined || until > nowMs);
