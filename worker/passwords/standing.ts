/**
 * Does the queue stand? A burst may wait for longer than a queue in which more comes than goes, and has for
 * a while ("Fail at Scale", Facebook, 2015). Times are milliseconds on the caller's clock.
 */
import { burstBudgetMs, burstMemoryMs, sustainedBudgetMs } from '../../shared/budgets.js';

/** So long after a refusal nothing is spare. */
const refusalMemoryMs = 2000;

export const createStanding = () => {
  let lastEmptyAt = Number.NEGATIVE_INFINITY;
  let lastFullAt = Number.NEGATIVE_INFINITY;
  /** Until the queue has been empty. */
  let isStanding = false;

  return {
    /** A queue that is short because we refuse is no empty one: a node of few slots would never tell. */
    noteEmpty: (at: number): void => {
      if (at - lastFullAt <= burstMemoryMs) return;
      lastEmptyAt = at;
      isStanding = false;
    },
    /** Whoever is still refused after a burst's time stands in a queue that will not go. */
    noteFull: (at: number): void => {
      lastFullAt = at;
      if (at - lastEmptyAt > burstMemoryMs) isStanding = true;
    },
    /** How long a hash may wait, for who may wait longest. */
    budgetMs: (serviceMs: number): number =>
      isStanding ? sustainedBudgetMs(serviceMs) : burstBudgetMs(serviceMs),
    /** Nobody was refused of late. */
    isCalm: (at: number): boolean => at - lastFullAt > refusalMemoryMs,
  };
};
