/** At most so many calls at a time, the others in order of arrival, and not too many of those. */
import { whenLate } from '../../shared/late.js';

export const createGate = ({
  max,
  maxWaiting,
  maxWaitMs,
}: {
  max: number;
  maxWaiting: number;
  maxWaitMs: number;
}) => {
  const waiting = new Set<() => void>();
  let running = 0;

  const turn = (): Promise<boolean> =>
    new Promise((resolve) => {
      const stopWaiting = whenLate(maxWaitMs, () => waiting.delete(go) && resolve(false));
      const go = () => {
        stopWaiting();
        resolve(true);
      };
      waiting.add(go);
    });

  return {
    /** False: full, or not one's turn in time. Whoever gets true must `leave`. */
    enter: (): boolean | Promise<boolean> => {
      if (running < max) {
        running++;
        return true;
      }
      return waiting.size < maxWaiting && turn();
    },

    /** The place goes straight to the next one, so nobody can slip in between. */
    leave: (): void => {
      const [next] = waiting;
      if (next === undefined) return void running--;
      waiting.delete(next);
      next();
    },
  };
};
