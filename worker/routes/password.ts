/**
 * POST /password: a new password for who knows the current one. A repeat of the same attempt finds its own write.
 * A repeat by the client, whose first answer was lost, is a new attempt and finds the new password in
 * place: it raises the generation once more, because what it is told (everything older is dead) must be
 * true for whoever asks, not only for who changed it.
 */
import { checkPassword, readFields } from '../../shared/fields.js';
import type { Route } from '../../shared/http.js';
import {
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
import { createRewrite } from '../passwords/rewrite.js';

const fields = { u: true, current_password: true, new_password: true } as const;

type Wish = { current_password: string; new_password: string };

export const createPassword = (parts: {
  credentials: Credentials;
  admission: Admission;
  check: Check;
  policy: Policy;
  sendVerdict: SendVerdict;
}): Route => {
  const { credentials, admission, check, policy, sendVerdict } = parts;
  const hashNew = createHashNew({ admission, policy });
  const rewrite = createRewrite({ credentials });

  /** The hash to have: a new one; the one that is there when it is that of the new password already. */
  const createChoose = (ticket: Ticket, { current_password, new_password }: Wish) => {
    let hash: string | undefined;
    const isRight = async (found: Credential | undefined, password: string) =>
      (await check(ticket, found, password)).outcome === 'ok';
    return async (found: Credential | undefined): Promise<string | undefined> => {
      if (await isRight(found, current_password)) {
        hash ??= await hashNew(ticket, new_password);
        return hash;
      }
      const isInPlace = await isRight(found, new_password);
      return isInPlace && found?.norm === policy.norm ? found.hash : undefined;
    };
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
        const choose = createChoose(ticket, wish);
        const changed = await rewrite({ u: wish.u, attemptId: attempt.id, choose });
        if (changed === undefined) return sendVerdict(ctx, bareVerdict(attempt.id, 'denied'));
        return sendVerdict(ctx, okVerdict(attempt.id, changed));
      } finally {
        admission.leave(ticket);
      }
    },
  };
};
