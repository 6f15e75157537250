/**
 * Is this the password of this account? Every way through costs one hash: an unknown account and a
 * record that cannot be used get a decoy with the current parameters, a disabled account its own
 * hash, and only at the end is it asked whether there was anything to match.
 */
import { AppError } from '../../shared/errors.js';
import type { Credential } from '../credentials/credentials.js';
import type { Admission, Ticket } from './admission.js';
import type { StoredHash } from './formats/format.js';
import { isUsable, readHash } from './formats/formats.js';
import type { KeyRing } from './keys.js';
import { toOpaque } from './policy.js';

/** `hash` is what a right password was verified against. */
export type Checked = { outcome: 'ok'; hash: StoredHash } | { outcome: 'denied' };
export type Check = ReturnType<typeof createCheck>;
type Logs = { error(fields: object, text: string): void };

const denied: Checked = { outcome: 'denied' };

export const createCheck = (options: {
  admission: Admission;
  /** A hash of a password that nobody knows, made with the current parameters. */
  decoy: string;
  keys: Pick<KeyRing, 'need'>;
  log: Logs;
}) => {
  const { admission, keys, log } = options;
  const decoy = readHash(options.decoy);
  if (!isUsable(decoy)) throw new Error('the decoy is not a usable hash');

  /** Throws AppError overloaded, key_missing or library_missing, with nothing started. */
  return async (
    ticket: Ticket,
    credential: Credential | undefined,
    password: string,
  ): Promise<Checked> => {
    const hash = credential === undefined ? 'hash_unknown' : readHash(credential.hash);
    // An account without a password is no fault.
    if (credential !== undefined && !isUsable(hash) && hash !== 'hash_unusable')
      log.error({ user_id: credential.userId, problem: hash }, 'a stored hash cannot be used');
    // Another node may have the library.
    if (hash === 'hash_unsupported') throw new AppError('library_missing', { detail: hash });
    const usable = isUsable(hash) ? hash : undefined;
    const text = credential?.norm === 'raw' ? password : toOpaque(password);
    const { cost, keyIds, verify } = usable ?? decoy;
    // Nobody knows its id, and '-' is none: no ring has it.
    const work = verify(text, keys.need(hash === 'key_unknown' ? ['-'] : keyIds));
    const isMatch = (await admission.run(ticket, work, cost)) === true;
    if (usable === undefined || !isMatch || !credential?.isActive) return denied;
    return { outcome: 'ok', hash: usable };
  };
};
