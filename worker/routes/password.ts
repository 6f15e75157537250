/**
 * POST /password: a new password for who knows the current one. One write ends everything issued
 * before (`gen` + 1). A repeat of the same attempt finds its id in the record and succeeds without a
 * second write. A repeat by the client, whose first answer was lost, is a new attempt and finds the
 * new password in place: it raises the generation once more, because what it is told (everything
 * older is dead) must be true for whoever asks, not only for who changed it.
 */
import { AppError } from '../../shared/errors.js';
import { checkPassword, readFields } from '../../shared/fields.js';
import type { Route } from '../../shared/http.js';
import {
  type Attempt,
  bareVerdict,
  checkAccountKey,
  okVerdict,
  readAttempt,
  type SendVerdict,
} from '../attempt.js';
import type { Credential, Credentials } from '../credentials/credentials.js';
import type { Admission, Ticket } from '../passwords/admission.js';
import type { Check } from '../passwords/check.js';
import { createHashNew } from '../passwords/hash-new.js';
import type { Policy } from '../passwords/policy.js';

const fields = { u: true, current_password: true, new_password: true } as const;
/** A migration may replace the verified hash at the same moment; a third time is not chance. */
const maxTries = 3;

type Change = { u: string; current_password: string; new_password: string };
type Changed = Credential | undefined;

export const createPassword = (parts: {
  credentials: Credentials;
  admission: Admission;
  check: Check;
  policy: Policy;
  sendVerdict: SendVerdict;
}): Route => {
  const { credentials, admission, check, policy, sendVerdict } = parts;

  const hashNew = createHashNew({ admission, policy });

  /** The new password is stored already, as a hash that we wrote. */
  const isRepeat = async (ticket: Ticket, credential: Credential | undefined, password: string) =>
    (await check(ticket, credential, password)).outcome === 'ok' &&
    credential?.norm === policy.norm;

  /** The account after the change, or undefined when the current password is not right. */
  const change = async (wish: Change, attempt: Attempt, ticket: Ticket): Promise<Changed> => {
    const { u, current_password, new_password } = wish;
    let hash: string | undefined;
    for (let tries = 0; tries < maxTries; tries++) {
      const credential = await credentials.find(u);
      if (credential?.isActive && credential.attempt === attempt.id) {
        // Its own write, which is not acknowledged before the replicas have it.
        const gen = await credentials.changePassword(u, credential, { ...credential });
        if (gen !== undefined) return { ...credential, gen };
        continue;
      }
      const checked = await check(ticket, credential, current_password);
      const isRight = checked.outcome === 'ok';
      const isInPlace = !isRight && (await isRepeat(ticket, credential, new_password));
      if (credential === undefined || !(isRight || isInPlace)) return undefined;
      if (isRight) hash ??= await hashNew(ticket, new_password);
      const wanted = { hash: isRight && hash ? hash : credential.hash, attempt: attempt.id };
      const gen = await credentials.changePassword(u, credential, wanted);
      if (gen !== undefined) return { ...credential, gen };
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
      const ticket = admission.enter(attempt);
      try {
        const changed = await change(wish, attempt, ticket);
        if (changed === undefined) return sendVerdict(ctx, bareVerdict(attempt.id, 'denied'));
        return sendVerdict(ctx, okVerdict(attempt.id, changed));
      } finally {
        admission.leave(ticket);
      }
    },
  };
};
