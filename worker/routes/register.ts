/**
 * POST /register: a new account, unless there is one. The record carries the attempt id, so a repeat
 * of an attempt whose answer was lost finds its own write and succeeds. A table that somebody else owns
 * has no place for the id; there the salt is made of it, so that the repeat makes the same hash.
 */
import { checkPassword, readFields } from '../../shared/fields.js';
import type { Route } from '../../shared/http.js';
import {
  bareVerdict,
  checkAccountKey,
  checkName,
  checkScopes,
  checkUserId,
  okVerdict,
  readAttempt,
  type SendVerdict,
} from '../attempt.js';
import type { Credentials } from '../credentials/credentials.js';
import type { Admission } from '../passwords/admission.js';
import { createHashNew } from '../passwords/hash-new.js';
import type { Policy } from '../passwords/policy.js';

const fields = { u: true, name: false, password: true, user_id: true, scopes: true } as const;

export const createRegister = (parts: {
  credentials: Credentials;
  admission: Admission;
  policy: Policy;
  sendVerdict: SendVerdict;
}): Route => {
  const { credentials, admission, policy, sendVerdict } = parts;
  const hashNew = createHashNew({ admission, policy });
  return {
    method: 'POST',
    path: '/register',
    body: 'json',
    handle: async (ctx, body) => {
      const attempt = readAttempt(ctx);
      const { u, name, password, user_id, scopes } = readFields(body, fields);
      checkAccountKey(u);
      checkName(name);
      checkUserId(user_id);
      checkScopes(scopes);
      checkPassword('password', password);
      policy.checkNew('password', password);
      const ticket = admission.enter(attempt);
      try {
        const found = await credentials.find(u, name);
        const isOthers = found !== undefined && !['', attempt.id].includes(found.attempt);
        if (isOthers) return sendVerdict(ctx, bareVerdict(attempt.id, 'exists'));
        // A repeat of an attempt that did write needs no second hash: `create` finds the first.
        const isRepeat = found?.attempt === attempt.id;
        const hash = isRepeat ? found.hash : await hashNew(ticket, password, [u, attempt.id]);
        if (found !== undefined && found.hash !== hash)
          return sendVerdict(ctx, bareVerdict(attempt.id, 'exists'));
        const created = await credentials.create(u, {
          name: name ?? '',
          userId: user_id,
          hash,
          norm: policy.norm,
          scopes,
          attempt: attempt.id,
          status: 'active',
        });
        if (created.outcome === 'exists')
          return sendVerdict(ctx, bareVerdict(attempt.id, 'exists'));
        return sendVerdict(ctx, okVerdict(attempt.id, created));
      } finally {
        admission.leave(ticket);
      }
    },
  };
};
