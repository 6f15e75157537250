/**
 * How long work may wait at a node (design § 4.8): the node refuses by it, and an edge foresees the
 * refusal by it. Two budgets, as a burst is worth waiting for and a standing queue is not (Facebook,
 * "Fail at Scale", 2015), and a share of them for each class: the lower, the sooner refused.
 */
import type { WorkClass } from './protocol.js';

/** Until a queue is known to stand; a dear default hash may wait for one in front of it. */
export const burstBudgetMs = (serviceMs: number): number => Math.max(300, 2 * serviceMs);

/**
 * So long after the queue was last empty a refusal is a burst's; a later one shows that the queue stands.
 * So long after a refusal an empty queue shows nothing.
 */
export const burstMemoryMs = 500;

/** For a queue that stands, until it was empty. */
export const sustainedBudgetMs = (serviceMs: number): number => Math.max(100, serviceMs);

export const budgetShares: Readonly<Record<WorkClass, number>> = {
  device: 1,
  login: 0.9,
  register: 0.5,
  password: 0.5,
  suspect: 0.2,
};
