/**
 * POST /reset: a new password for an account whose owner has lost the old one. This node knows nothing
 * of reset tokens; it wants the gateway's proof that one was shown for this attempt, this account as
 * it was at `gen`, and this password. One write ends everything issued before (`gen` + 1), and only if the
 * account has not changed since; a repeat of the same attempt finds its own write.
 */
import { AppError } from '../../shared/errors.js';
import { checkPassword, invalidField, readFields } from '../../shared/fields.js';
import type { Route } from '../../shared/http.js';
import { isResetProof } from '../../shared/protocol.js';
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
import { createHashNew } from '../passwords/hash-new.js';
import type { Policy } from '../passwords/policy.js';

const fields = { u: true, new_password: true, gen: true, proof: true } as const;
/** A migration may replace the hash at the same moment; a third time is not chance. */
const maxTries = 3;

type Wish = { u: string; gen: number; password: string };

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

  /** The account after the reset, or undefined when it has changed since it was authorised. */
  const reset = async (
    { u, gen, password }: Wish,
    attempt: Attempt,
    ticket: Ticket,
  ): Promise<Credential | undefined> => {
    let hash: string | undefined;
    for (let tries = 0; tries < maxTries; tries++) {
      const credential = await credentials.find(u);
      if (!credential?.isActive) return undefined;
      const isOwnWrite = credential.attempt === attempt.id;
      if (!isOwnWrite && credential.gen !== gen) return undefined;
      if (!isOwnWrite) hash ??= await hashNew(ticket, password);
      // Its own write is not acknowledged before the replicas have it, so a repeat writes once more.
      const wanted = { hash: isOwnWrite || !hash ? credential.hash : hash, attempt: attempt.id };
      const changed = await credentials.changePassword(u, credential, wanted);
      if (changed !== undefined) return { ...credential, gen: changed };
    }
    throw new AppError('overloaded', { detail: 'the record kept changing' });
  };

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
        const changed = await reset({ u, gen, password }, attempt, ticket);
        if (changed === undefined) return sendVerdict(ctx, bareVerdict(attempt.id, 'denied'));
        return sendVerdict(ctx, okVerdict(attempt.id, changed));
      } finally {
        admission.leave(ticket);
      }
    },
  };
};
