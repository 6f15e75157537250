/**
 * The rules by which the keys behind refresh and device tokens change; no clock, no store. As with signing
 * keys, a new one is known to every edge before it signs, and an old one stays as long as something
 * that it signed may be presented: a session's absolute end, the age of a device token.
 */
import { randomBytes } from 'node:crypto';

export const macPurposes = ['refresh', 'device'] as const;
export type MacPurpose = (typeof macPurposes)[number];

/** The first keys of a ring have no times: they signed at once. Times in ms since 1970. */
export type MacEntry = {
  id: string;
  key: string;
  created_at?: number;
  signs_from?: number;
  /** When nothing that it signed is of use any more; there once it has a successor. */
  until?: number;
};
/** Newest first. */
type Entries = readonly MacEntry[];

/** Edges hear of a new key within milliseconds, and look for themselves every few seconds. */
const leadMs = 60_000;
/** Clocks of gateways may be apart. */
const marginMs = 60_000;

const newId = (entries: Entries): string => {
  const id = randomBytes(3).toString('base64url');
  return entries.some((entry) => entry.id === id) ? newId(entries) : id;
};

/** A new key of 256 bits under an id that none of `entries` has. It signs at once. */
export const makeMac = (entries: Entries = []): MacEntry => ({
  id: newId(entries),
  key: randomBytes(32).toString('base64url'),
});

/** From when on it signs, ms since 1970; 0 = since ever. */
export const macStartOf = ({ signs_from = 0 }: MacEntry): number => signs_from;

/** The newest whose turn has come. */
export const pickMac = <T extends Pick<MacEntry, 'signs_from'>>(
  entries: readonly T[],
  nowMs: number,
): T | undefined =>
  entries.find(({ signs_from = 0 }) => signs_from <= nowMs) ?? entries[entries.length - 1];

/**
 * With a key that signs next; undefined while one waits already. `keepMs`: how long at most something that
 * is signed today may be presented.
 */
export const rotateMacs = (
  entries: Entries,
  { nowMs, keepMs }: { nowMs: number; keepMs: number },
): MacEntry[] | undefined => {
  if (entries.some((entry) => macStartOf(entry) > nowMs)) return undefined;
  const startsAt = nowMs + leadMs;
  const until = startsAt + keepMs + marginMs;
  const next = { ...makeMac(entries), created_at: nowMs, signs_from: startsAt };
  return [next, ...entries.map((entry) => ({ ...entry, until: entry.until ?? until }))];
};

/** Those that may still be needed. */
export const keepLiveMacs = (entries: Entries, nowMs: number): MacEntry[] =>
  entries.filter(({ until }) => until === undefined || until > nowMs);
