/** A new hash for a password, made in a thread under the request's ticket, at today's parameters. */
import { AppError } from '../../shared/errors.js';
import type { Admission, Ticket } from './admission.js';
import type { Policy } from './policy.js';

type HashNew = (ticket: Ticket, password: string) => Promise<string>;

/** Throws what `admission.run` throws. */
export const createHashNew =
  ({ admission, policy }: { admission: Pick<Admission, 'run'>; policy: Policy }): HashNew =>
  async (ticket, password) => {
    const hash = await admission.run(ticket, policy.hashWork(password), policy.cost);
    if (typeof hash !== 'string') throw new AppError('internal', { detail: 'no hash' });
    return hash;
  };
