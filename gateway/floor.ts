import { setTimeout as sleep } from 'node:timers/promises';
import { AppError } from '../shared/errors.js';
import type { Ctx } from '../shared/http.js';

export type Floor = ReturnType<typeof createFloor>;

/**
 * Holds back an answer about credentials until a multiple of the floor has passed since arrival, so
 * that no reason for a refusal shows in its time, also when the nodes are slow (design § 4.11). A
 * floor of 0 answers at once, so that a bench can see what it hides.
 */
export const createFloor =
  (floorMs: number) =>
  async (ctx: Ctx): Promise<never> => {
    if (floorMs === 0) throw new AppError('bad_credentials');
    const floors = Math.ceil((performance.now() - ctx.arrivedAt) / floorMs);
    const dueAt = ctx.arrivedAt + floors * floorMs;
    // A timer counts from the loop's last tick in whole milliseconds: it can ring too early.
    for (let left = dueAt - performance.now(); left > 0; left = dueAt - performance.now()) {
      await sleep(Math.ceil(left));
    }
    throw new AppError('bad_credentials');
  };
