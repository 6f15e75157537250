/**
 * The end of one session: its record, and the revocation log. Either may fail, and then the same call
 * again does the rest; until both are done the session's id is remembered in the store, so that whoever ends
 * the user's other sessions meanwhile tells the log too.
 */
import { AppError } from '../../shared/errors.js';
import type { Caller } from '../caller.js';
import type { Revocations } from '../tokens/revocations.js';
import type { Refreshed, Rotation, Sessions } from './sessions.js';

export type SessionEnd = ReturnType<typeof createSessionEnd>;

/** All functions are repeatable and throw store_unavailable. */
export const createSessionEnd = ({
  sessions,
  revocations,
}: {
  sessions: Pick<Sessions, 'end' | 'confirmEnded'>;
  revocations: Pick<Revocations, 'publish'>;
}) => {
  const tell = (sid: string) => revocations.publish({ kind: 'session', id: sid });

  /** The order of design § 5, for whoever can repeat it without the record. */
  const recordFirst = async (sid: string): Promise<void> => {
    await sessions.end(sid);
    await tell(sid);
    await sessions.confirmEnded([sid]);
  };

  /** Where the record proves the caller, or is gone already and its end has yet to reach the replicas. */
  const logFirst = async (sid: string): Promise<void> => {
    await tell(sid);
    await sessions.end(sid);
    await sessions.confirmEnded([sid]);
  };

  return {
    recordFirst,
    logFirst,

    /**
     * What a refresh gave. Throws session_ended for a family that has ended, after telling of it: again where it
     * had ended before, as the first try to tell the edges may have failed, and to its end on the replicas, as
     * a failover must not bring it back.
     */
    refuseEnded: async (rotated: Rotation): Promise<Refreshed> => {
      if ('refreshToken' in rotated) return rotated;
      await logFirst(rotated.sessionId);
      throw new AppError('session_ended');
    },

    /** Of sessions without a record by now. */
    confirm: async (sids: readonly string[]): Promise<void> => {
      for (const sid of sids) await tell(sid);
      await sessions.confirmEnded(sids);
    },
    /** The caller's own; a cookie's fresh reading of the record does not outweigh the log. */
    ofCaller: ({ sid, isCookie }: Caller): Promise<void> =>
      isCookie ? logFirst(sid) : recordFirst(sid),
  };
};
