/** POST /login: is this the password of account `u`? An outdated hash is migrated after the answer. */
import { checkPassword, readFields } from '../../shared/fields.js';
import type { Route } from '../../shared/http.js';
import {
  bareVerdict,
  checkAccountKey,
  checkName,
  okVerdict,
  readAttempt,
  type SendVerdict,
} from '../attempt.js';
import type { Credential, Credentials } from '../credentials/credentials.js';
import type { Admission } from '../passwords/admission.js';
import type { Check } from '../passwords/check.js';
import type { Migrate } from '../passwords/migrate.js';

const fields = { u: true, name: false, password: true } as const;

export const createLogin = (parts: {
  credentials: Credentials;
  admission: Admission;
  check: Check;
  migrate: Migrate;
  sendVerdict: SendVerdict;
}): Route => {
  const { credentials, admission, check, migrate, sendVerdict } = parts;

  /**
   * A change that was interrupted ends what was issued before, now that it is the user who asks. One that has
   * ended by itself meanwhile leaves the gen of before, with which no session begins: the edge asks again.
   */
  const settle = async (u: string, credential: Credential): Promise<Credential> => {
    if (credential.pending === '') return credential;
    const gen = await credentials.settle(u, credential.pending);
    return gen === undefined ? credential : { ...credential, gen };
  };

  return {
    method: 'POST',
    path: '/login',
    body: 'json',
    handle: async (ctx, body) => {
      const attempt = readAttempt(ctx);
      const { u, name, password } = readFields(body, fields);
      checkAccountKey(u);
      checkName(name);
      checkPassword('password', password);
      const ticket = admission.enter(attempt);
      try {
        const credential = await credentials.find(u, name);
        const checked = await check(ticket, credential, password);
        if (checked.outcome === 'denied' || credential === undefined)
          return sendVerdict(ctx, bareVerdict(attempt.id, 'denied'));
        migrate.schedule(u, credential, checked.hash, password);
        return sendVerdict(ctx, okVerdict(attempt.id, await settle(u, credential)));
      } finally {
        admission.leave(ticket);
      }
    },
  };
};
