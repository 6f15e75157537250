/**
 * A change of password whose fate is unknown, and which nobody repeats, must still end the old tokens:
 * twice, later, the account is looked at, and what has been written is told to everybody. An edge that stops
 * looks once more at what it has not finished.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { codeOf, type ErrorCode } from '../shared/errors.js';

/** Errors after which nobody can say how far it came. */
const unknownFates: readonly ErrorCode[] = ['timeout', 'bad_node_answer', 'store_unavailable'];

export type FollowUp = ReturnType<typeof createFollowUp>;

export const hasUnknownFate = (error: unknown): boolean => unknownFates.includes(codeOf(error));

export const createFollowUp = ({
  genOf,
  publishGen,
  onStop,
  looksMs = [5000, 15_000],
}: {
  genOf: (u: string) => Promise<number>;
  publishGen: (u: string, gen: number) => Promise<void>;
  onStop: (finish: () => Promise<unknown>) => void;
  /** Late enough for the caller's own repeat, which would finish the change, to come first. */
  looksMs?: readonly number[];
}) => {
  const unfinished = new Set<{ u: string; gen: number }>();
  const look = async ({ u, gen }: { u: string; gen: number }) => {
    const current = await genOf(u);
    if (current > gen) await publishGen(u, current);
  };
  const looks = async (u: string, gen: number) => {
    const change = { u, gen };
    unfinished.add(change);
    for (const ms of looksMs) {
      await sleep(ms, undefined, { ref: false });
      // What was lost before may still be: there is another look.
      await look(change).catch(() => {});
    }
    unfinished.delete(change);
  };
  onStop(() => Promise.allSettled([...unfinished].map(look)));
  /**
   * Runs a change that begins at `gen`, from its first step until everybody has been told; throws what it
   * throws, at once.
   */
  return async <T>(u: string, gen: number, change: () => Promise<T>): Promise<T> => {
    try {
      return await change();
    } catch (error) {
      if (hasUnknownFate(error)) void looks(u, gen);
      throw error;
    }
  };
};
