/**
 * The end of the caller's own session. Order (design § 5): session script, log, answer; but a cookie is
 * proved by the record, so there the record goes last: only then can a try that failed in between be
 * repeated, and a fresh reading of the record does not outweigh the log.
 */
import type { Caller } from './caller.js';
import type { Sessions } from './sessions.js';
import type { Revocations } from './tokens/revocations.js';

export type EndOwn = (caller: Caller) => Promise<void>;

/** Repeatable. Throws store_unavailable. */
export const createEndOwn =
  ({
    sessions,
    revocations,
  }: {
    sessions: Pick<Sessions, 'end'>;
    revocations: Pick<Revocations, 'publish'>;
  }): EndOwn =>
  async ({ sid, isCookie }) => {
    const tell = () => revocations.publish({ kind: 'session', id: sid });
    if (isCookie) await tell();
    await sessions.end(sid);
    if (!isCookie) await tell();
  };
