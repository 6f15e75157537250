/**
 * POST /password: a new password for who knows the current one. One write ends everything issued
 * before (`gen` + 1). A repeat whose first answer was lost succeeds without a second write: it finds
 * its attempt id in the record, or the new password already in place.
 */
import { AppError } from '../../shared/errors.js';
import { checkPassword, readFields } from '../../shared/fields.js';
import type { Route } from '../../shared/http.js';
import {
  type Attempt,
  bareVerdict,
  checkAccountKey,
  readAttempt,
  type SendVerdict,
} from '../attempt.js';
import type { Credential, Credentials } from '../credentials.js';
import type { Admission, Ticket } from '../passwords/admission.js';
import type { Check } from '../passwords/check.js';
import type { Policy } from '../passwords/policy.js';

const fields = { u: true, current_password: true, new_password: true } as const;
/** A migration may replace the verified hash at the same moment; a third time is not chance. */
const maxTries = 3;

type Change = { u: string; current_password: string; new_password: string };
type Changed = { credential: Credential; gen: number } | undefined;

export const createPassword = (parts: {
  credentials: Credentials;
  admission: Admission;
  check: Check;
  policy: Policy;
  sendVerdict: SendVerdict;
}): Route => {
  const { credentials, admission, check, policy, sendVerdict } = parts;

  const hashNew = async (ticket: Ticket, password: string): Promise<string> => {
    const hash = await admission.run(ticket, policy.hashWork(password), policy.cost);
    if (typeof hash !== 'string') throw new AppError('internal', { detail: 'no hash' });
    return hash;
  };

  /** The account after the change, or undefined when the current password is not right. */
  const change = async (wish: Change, attempt: Attempt, ticket: Ticket): Promise<Changed> => {
    const { u, current_password, new_password } = wish;
    let hash: string | undefined;
    for (let tries = 0; tries < maxTries; tries++) {
      const credential = await credentials.find(u);
      if (credential?.isActive && credential.attempt === attempt.id)
        return { credential, gen: credential.gen };
      const checked = await check(ticket, credential, current_password);
      if (checked.outcome === 'denied' || credential === undefined) {
        const repeated = await check(ticket, credential, new_password);
        const isRepeat = repeated.outcome === 'ok' && credential !== undefined;
        return isRepeat ? { credential, gen: credential.gen } : undefined;
      }
      hash ??= await hashNew(ticket, new_password);
      const gen = await credentials.changePassword(u, credential, { hash, attempt: attempt.id });
      if (gen !== undefined) return { credential, gen };
    }
    throw new AppError('overloaded', { detail: 'the record kept changing' });
  };

  return {
    method: 'POST',
    path: '/password',
    body: 'json',
    handle: async (ctx, body) => {
      const attempt = readAttempt(ctx);
      const wish = readFields(body, fields);
      checkAccountKey(wish.u);
      checkPassword('current_password', wish.current_password);
      checkPassword('new_password', wish.new_password);
      policy.checkNew('new_password', wish.new_password);
      const ticket = admission.enter(attempt.class, attempt.deadlineAt, attempt.isGone);
      try {
        const changed = await change(wish, attempt, ticket);
        if (changed === undefined) return sendVerdict(ctx, bareVerdict(attempt.id, 'denied'));
        const { userId, scopes } = changed.credential;
        return sendVerdict(ctx, {
          attempt_id: attempt.id,
          outcome: 'ok',
          user_id: userId,
          gen: changed.gen,
          scopes,
        });
      } finally {
        admission.leave(ticket);
      }
    },
  };
};
