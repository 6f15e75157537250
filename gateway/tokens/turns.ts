/**
 * Spreads synchronous work over turns of the event loop: a few pieces at once, the others in order of
 * arrival in later turns, so that a crowd of new tokens never holds up what is cheap. Refuses what
 * would have to wait behind too many.
 */
import { AppError } from '../../shared/errors.js';

export const createTurns = ({ perTurn, maxWaiting }: { perTurn: number; maxWaiting: number }) => {
  const waiting: (() => void)[] = [];
  let left = perTurn;
  let isArmed = false;

  const arm = () => {
    if (!isArmed) setImmediate(refill);
    isArmed = true;
  };

  const refill = () => {
    isArmed = false;
    left = perTurn;
    const next = waiting.splice(0, perTurn);
    for (const start of next) start();
    left -= next.length;
    if (next.length > 0) arm();
  };

  return {
    /** True: go on at once. */
    tryNow: (): boolean => {
      if (left === 0 || waiting.length > 0) return false;
      left--;
      arm();
      return true;
    },

    /** Resolves when it is the caller's turn. */
    wait: async (): Promise<void> => {
      if (waiting.length >= maxWaiting)
        throw new AppError('temporarily_unavailable', { detail: 'too many new tokens' });
      arm();
      await new Promise<void>((resolve) => waiting.push(resolve));
    },
  };
};
