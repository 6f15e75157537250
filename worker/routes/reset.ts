/**
 * POST /reset: a new password for an account whose owner has lost the old one. This node knows nothing
 * of reset tokens; it wants the gateway's proof that one was shown for this attempt, this account as
 * it was at `gen`, and this password. It writes only if the account has not changed since; a repeat of the
 * same attempt finds its own write.
 */
import { AppError } from '../../shared/errors.js';
import { checkPassword, invalidField, readFields } from '../../shared/fields.js';
import type { Route } from '../../shared/http.js';
import { isResetProof } from '../../shared/protocol.js';
import {
  bareVerdict,
  checkAccountKey,
  okVerdict,
  readAttempt,
  type SendVerdict,
} from '../attempt.js';
import type { Credential, Credentials } from '../credentials/credentials.js';
import type { Admission } from '../passwords/admission.js';
import { createHashNew } from '../passwords/hash-new.js';
import type { Policy } from '../passwords/policy.js';
import { createRewrite } from '../passwords/rewrite.js';

const fields = { u: true, new_password: true, gen: true, proof: true } as const;

const readGen = (text: string): number => {
  if (!/^[1-9]\d{0,14}$/.test(text)) throw invalidField('gen');
  return Number(text);
};

export const createReset = (parts: {
  /** NODE_SECRET, current and previous. */
  secrets: readonly string[];
  credentials: Credentials;
  admission: Admission;
  policy: Policy;
  sendVerdict: SendVerdict;
}): Route => {
  const { secrets, credentials, admission, policy, sendVerdict } = parts;
  const hashNew = createHashNew({ admission, policy });
  const rewrite = createRewrite({ credentials });

  return {
    method: 'POST',
    path: '/reset',
    body: 'json',
    handle: async (ctx, body) => {
      const attempt = readAttempt(ctx);
      const { u, new_password: password, gen: text, proof } = readFields(body, fields);
      checkAccountKey(u);
      checkPassword('new_password', password);
      const gen = readGen(text);
      if (!isResetProof(secrets, { attemptId: attempt.id, u, gen, password }, proof))
        throw new AppError('not_authenticated');
      policy.checkNew('new_password', password);
      const ticket = admission.enter(attempt);
      try {
        let hash: string | undefined;
        const choose = async (found: Credential | undefined) => {
          if (!found?.isActive || found.gen !== gen) return undefined;
          hash ??= await hashNew(ticket, password);
          return hash;
        };
        const changed = await rewrite({ u, attemptId: attempt.id, choose });
        if (changed === undefined) return sendVerdict(ctx, bareVerdict(attempt.id, 'denied'));
        return sendVerdict(ctx, okVerdict(attempt.id, changed));
      } finally {
        admission.leave(ticket);
      }
    },
  };
};
