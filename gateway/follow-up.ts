/**
 * A change of password whose fate is unknown, and which nobody repeats, must still end the old tokens:
 * twice, later, the account is looked at, and what the node has done is told to everybody.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { codeOf, type ErrorCode } from '../shared/errors.js';

/** Errors after which nobody can say whether the node has written. */
const unknownFates: readonly ErrorCode[] = ['timeout', 'bad_node_answer', 'store_unavailable'];
/** Late enough for the caller's own repeat, which would finish the change, to come first. */
const looksMs = [5000, 15_000];

export type FollowUp = ReturnType<typeof createFollowUp>;

export const hasUnknownFate = (error: unknown): boolean => unknownFates.includes(codeOf(error));

export const createFollowUp = ({
  genOf,
  publishGen,
}: {
  genOf: (u: string) => Promise<number>;
  publishGen: (u: string, gen: number) => Promise<void>;
}) => {
  const look = async (u: string, gen: number) => {
    for (const ms of looksMs) {
      await sleep(ms, undefined, { ref: false });
      const current = await genOf(u).catch(() => 0);
      if (current > gen) await publishGen(u, current);
    }
  };
  /** After `error` of a change that began at `gen`. Returns at once. */
  return (error: unknown, u: string, gen: number): void => {
    if (hasUnknownFate(error)) look(u, gen).catch(() => {});
  };
};
