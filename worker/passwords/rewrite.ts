/**
 * A new hash for an account that is there: looked at, chosen, written if nobody has changed the record meanwhile, and
 * looked at again if so. One write ends everything issued before (`gen` + 1). A repeat of an attempt that was
 * written finds its id in the record and does not choose again.
 */
import { AppError } from '../../shared/errors.js';
import type { Credential, Credentials } from '../credentials/credentials.js';

/** A migration may replace the hash at the same moment; a third time is not chance. */
const maxTries = 3;

export type Rewrite = ReturnType<typeof createRewrite>;

export const createRewrite =
  ({ credentials }: { credentials: Pick<Credentials, 'find' | 'changePassword'> }) =>
  /**
   * The account after the write; undefined when `choose`, which is asked for the hash of what is there, wants none.
   * Throws overloaded when the record kept changing, and whatever the store does.
   */
  async ({
    u,
    attemptId,
    choose,
  }: {
    u: string;
    attemptId: string;
    choose: (found: Credential | undefined) => Promise<string | undefined>;
  }): Promise<Credential | undefined> => {
    for (let tries = 0; tries < maxTries; tries++) {
      const found = await credentials.find(u);
      // Its own write is not acknowledged before the replicas have it: it is written once more.
      const isOwn = found?.isActive === true && found.attempt === attemptId;
      const hash = isOwn ? found.hash : await choose(found);
      if (found === undefined || hash === undefined) return undefined;
      const gen = await credentials.changePassword(u, found, { hash, attempt: attemptId });
      if (gen !== undefined) return { ...found, gen };
    }
    throw new AppError('overloaded', { detail: 'the record kept changing' });
  };
