/**
 * What a new password must fulfil, how it is normalised before it is hashed, and with which
 * parameters. Old passwords are checked as they are; these rules look only at new ones.
 * No composition rules, and every code point is allowed (NIST SP 800-63B).
 */
import { AppError } from '../../shared/errors.js';
import type { Norm } from '../credentials/credentials.js';
import type { Blocklist } from './blocklist.js';
import type { Target } from './formats/format.js';
import type { Pepper } from './keys.js';
import { argon2Cost } from './recipes/argon2.js';
import type { Cost } from './recipes/recipe.js';
import type { Work } from './work.js';

export type Policy = ReturnType<typeof createPolicy>;

const minCodePoints = 8;
const maxBytes = 4096;

/** Below this, settings are refused (OWASP's minimum for argon2id). */
export const weakestTarget: Target = { memoryKiB: 19_456, passes: 2, lanes: 1 };

/** What is wrong with the settings, or undefined. The upper bounds are those for reading a record. */
export const targetProblem = ({ memoryKiB, passes, lanes }: Target): string | undefined => {
  if (memoryKiB < weakestTarget.memoryKiB || passes < weakestTarget.passes || lanes < 1)
    return 'argon2id weaker than 19456 KiB, 2 passes, 1 lane is refused.';
  if (memoryKiB > 262_144 || passes > 10 || lanes > 16 || memoryKiB * passes > 1_048_576)
    return 'argon2id above 262144 KiB, 10 passes, 16 lanes or 1 GiB in total is refused.';
  return undefined;
};

/** OpaqueString (RFC 8265 § 4.2): spaces of every kind become U+0020, then NFC. */
export const toOpaque = (password: string): string =>
  /^[\x20-\x7e]*$/.test(password) ? password : password.replace(/\p{Zs}/gu, ' ').normalize('NFC');

const countCodePoints = (text: string): number => {
  let count = 0;
  for (const _ of text) count++;
  return count;
};

export const createPolicy = (options: {
  target: Omit<Target, 'pepper'>;
  blocklist: Blocklist;
  /** The key of new hashes. */
  pepper?: Pepper | undefined;
  /** What new hashes are made over: OpaqueString, or the bytes as sent. */
  norm?: Norm;
}) => {
  const { blocklist, pepper, norm = 'nfc' } = options;
  const { memoryKiB, passes, lanes } = options.target;
  const cost: Cost = argon2Cost(memoryKiB, passes);
  const target: Target = {
    ...{ memoryKiB, passes, lanes },
    ...(pepper === undefined ? {} : { pepper: pepper.id }),
  };

  /** AppError bad_request naming the rule; `field` is the body field's name. */
  const checkNew = (field: string, password: string): void => {
    const text = toOpaque(password);
    if (Buffer.byteLength(text) > maxBytes || Buffer.byteLength(password) > maxBytes)
      throw new AppError('bad_request', { reason: 'password_too_long', field });
    if (countCodePoints(text) < minCodePoints)
      throw new AppError('bad_request', { reason: 'password_too_short', field });
    if (blocklist.has(text))
      throw new AppError('bad_request', { reason: 'password_common', field });
  };

  /** The work that makes a new hash of this password; such records carry `norm`. */
  const hashWork = (password: string, salt?: Uint8Array): Work => {
    const text = norm === 'nfc' ? toOpaque(password) : password;
    if (salt !== undefined) return ['hash', text, memoryKiB, passes, lanes, pepper, salt];
    return pepper === undefined
      ? ['hash', text, memoryKiB, passes, lanes]
      : ['hash', text, memoryKiB, passes, lanes, pepper];
  };

  return { target, cost, norm, checkNew, hashWork };
};
