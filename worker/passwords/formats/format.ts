/**
 * What a stored-hash format is. Each file beside this one describes one, in the order in which a
 * stored string passes through it: identify → parse → limits → verify → needsRehash.
 * Nothing here computes a hash: `verify` returns the work for a thread, and no work exists before the
 * parameters inside the string were found to be within limits, because whoever supplied the string
 * chose them.
 */
import type { Work } from '../task.js';

/** The parameters that new hashes are made with. */
export type Target = { memoryKiB: number; passes: number; lanes: number };

/** `relative` is time against a hash with the default parameters; equal keys cost the same. */
export type Cost = { key: string; relative: number; bytes: number };

export type Format<P> = {
  id: string;
  /** By prefix alone. Exactly one format may claim a string. */
  identify: (stored: string) => boolean;
  /** The whole string, strictly; undefined when it does not follow the grammar. */
  parse: (stored: string) => P | undefined;
  isWithinLimits: (parsed: P) => boolean;
  cost: (parsed: P) => Cost;
  verify: (parsed: P, password: string) => Work;
  /** Only because the record is weaker than the target, never because it is different. */
  needsRehash: (parsed: P, target: Target) => boolean;
};

/** A stored hash that may be worked with. */
export type StoredHash = {
  format: string;
  cost: Cost;
  verify: (password: string) => Work;
  needsRehash: (target: Target) => boolean;
};

/** Why a stored string cannot be used; the names are those of the public reasons. */
export type HashProblem = 'hash_unknown' | 'hash_malformed' | 'hash_limit';

export type Reader = {
  id: string;
  identify: (stored: string) => boolean;
  read: (stored: string) => StoredHash | HashProblem;
};

/** Ties the steps of one format together, so that the table can hold formats of any kind. */
export const defineFormat = <P>(format: Format<P>): Reader => ({
  id: format.id,
  identify: format.identify,
  read: (stored) => {
    const parsed = format.parse(stored);
    if (parsed === undefined) return 'hash_malformed';
    if (!format.isWithinLimits(parsed)) return 'hash_limit';
    return {
      format: format.id,
      cost: format.cost(parsed),
      verify: (password) => format.verify(parsed, password),
      needsRehash: (target) => format.needsRehash(parsed, target),
    };
  },
});
