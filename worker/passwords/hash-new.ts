/** A new hash for a password, made in a thread under the request's ticket, at today's parameters. */
import { hash as digest } from 'node:crypto';
import { AppError } from '../../shared/errors.js';
import type { Admission, Ticket } from './admission.js';
import type { Policy } from './policy.js';

/**
 * `once`: the account and attempt that the hash is for. The same attempt with the same password then
 * makes the same text: where a record has no place for the attempt's id, its salt stands for it. The id is
 * 128 random bits, so the salt is unique like a random one.
 */
type HashNew = (
  ticket: Ticket,
  password: string,
  once?: readonly [u: string, attempt: string],
) => Promise<string>;

const saltBytes = 16;

const saltOf = (once: readonly string[]): Uint8Array =>
  digest('sha256', ['floodgate salt', ...once].join('\n'), 'buffer').subarray(0, saltBytes);

/** Throws what `admission.run` throws. */
export const createHashNew =
  ({ admission, policy }: { admission: Pick<Admission, 'run'>; policy: Policy }): HashNew =>
  async (ticket, password, once) => {
    const work = policy.hashWork(password, once && saltOf(once));
    const hash = await admission.run(ticket, work, policy.cost);
    if (typeof hash !== 'string') throw new AppError('internal', { detail: 'no hash' });
    return hash;
  };
