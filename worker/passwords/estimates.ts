/** How long hashes take, in milliseconds, by what they cost: learnt from those that ran. */
import type { Cost } from './recipes/recipe.js';

const alpha = 0.1;
/** Of the mean of all kinds: a single dear hash moves it by a fiftieth of what it takes. */
const mixAlpha = 0.02;
/** A hash that took more than so many times what was expected is counted as so many times. */
const maxSurprise = 4;
/** Keys come from stored records; the default and the common ones are seen first. */
const maxKnownCosts = 256;

/** `initialMs`: of a default hash, until one was measured. */
export const createEstimates = (defaultCost: Cost, initialMs = 10) => {
  const measured = new Map<string, number>();

  /** What the hashes that ran would take on average, in default ones. */
  let mix = 1;
  let count = 0;

  /** Of a default hash. */
  const serviceMs = (): number => measured.get(defaultCost.key) ?? initialMs;

  const estimate = (cost: Cost): number =>
    measured.get(cost.key) ?? (cost.relative / defaultCost.relative) * serviceMs();

  /** What a hash takes that was suspended with its process says nothing about the next one. */
  const learn = (cost: Cost, tookMs: number): void => {
    const known = measured.get(cost.key);
    const believed = Math.min(tookMs, maxSurprise * (known ?? estimate(cost)));
    if (known !== undefined) measured.set(cost.key, known + alpha * (believed - known));
    else if (measured.size < maxKnownCosts) measured.set(cost.key, believed);
    count++;
    mix += Math.max(mixAlpha, 1 / count) * (estimate(cost) / serviceMs() - mix);
  };

  return {
    serviceMs,
    /**
     * Of the hashes that there are here, of whatever cost: where most are dear ones of a former system, one of them
     * is what others wait for, and a budget below that would leave threads idle between refusals.
     */
    usualMs: (): number => serviceMs() * Math.max(1, mix),
    estimate,
    learn,
  };
};
