/**
 * The test of whether one kind of request takes longer than another (security.md § 4.2). Samples taken
 * one after the other are not independent, so the two kinds are compared in pairs, side by side and in
 * random order: the median of the differences with a 99 % bootstrap interval, and the sign test.
 */
import { type Interval, medianInterval } from './stats.js';

export type Paired = {
  /** Milliseconds, a − b. */
  difference: Interval;
  /** Of the sign test: how far the share of positive differences is from a half, in deviations. */
  z: number;
  leaks: boolean;
};

const level = 0.99;
const toleratedMs = 1;
const certainZ = 5;
const visibleMs = 0.5;

const signZ = (differences: readonly number[]): number => {
  const above = differences.filter((value) => value > 0).length;
  const below = differences.filter((value) => value < 0).length;
  return above + below === 0 ? 0 : (above - below) / Math.sqrt(above + below);
};

export const testPairs = (differences: readonly number[]): Paired => {
  const difference = medianInterval(differences, level);
  const z = signZ(differences);
  const isOutside = difference.low > toleratedMs || difference.high < -toleratedMs;
  const isClear = Math.abs(z) > certainZ && Math.abs(difference.median) > visibleMs;
  return { difference, z, leaks: isOutside || isClear };
};
