/**
 * Which argon2id parameters suit this machine: the search of `floodgate calibrate`. From the weakest
 * that we accept upwards, memory first and then passes (RFC 9106 § 4: memory is what an attacker's
 * hardware has least of), until a hash takes longer than wanted while all threads hash. How one set
 * of parameters is measured is an argument.
 */
import type { Target } from './formats/format.js';
import { targetProblem, weakestTarget } from './policy.js';

export type Measured = {
  target: Target;
  /** Milliseconds of one hash with nothing beside it, and with all threads hashing. */
  aloneMs: number;
  togetherMs: number;
  /** Hashes of all threads together. */
  perSecond: number;
};
type Given = {
  targetMs: number;
  /** Of one hash. */
  maxMemoryKiB: number;
  measure: (target: Target) => Promise<Measured>;
  hasTime: () => boolean;
};

const mib = 1024;
const steps = [32, 46, 64, 96, 128, 192, 256].map((size) => size * mib);
/** What is expected to be this much too slow is not tried; what leaves less unused is not refined. */
const tolerance = 1.25;
/** Refined parameters are to stay below the target. */
const margin = 0.97;

const kibInAll = ({ memoryKiB, passes }: Target): number => memoryKiB * passes;

const isPossible = (target: Target, maxMemoryKiB: number): boolean =>
  targetProblem(target) === undefined && target.memoryKiB <= maxMemoryKiB;

/** The strongest that is fast enough, else the weakest of all. */
export const recommend = (all: readonly Measured[], targetMs: number): Measured | undefined => {
  const isBetter = (a: Measured, b: Measured) =>
    a.target.memoryKiB - b.target.memoryKiB || a.target.passes - b.target.passes;
  const fitting = all.filter(({ togetherMs }) => togetherMs <= targetMs);
  return [...fitting].sort(isBetter).at(-1) ?? all[0];
};

/** All that was measured, weakest first. At least the weakest is, however little time there is. */
export const search = async (given: Given): Promise<Measured[]> => {
  const { targetMs, maxMemoryKiB, measure, hasTime } = given;
  const all = [await measure(weakestTarget)];

  const expectedMs = (target: Target): number => {
    const last = all.at(-1);
    return last === undefined ? 0 : (last.togetherMs * kibInAll(target)) / kibInAll(last.target);
  };

  /** Up the ladder while it is fast enough; undefined at its end, else the step that was too much. */
  const climb = async (ladder: readonly Target[]): Promise<Target | undefined> => {
    for (const target of ladder) {
      if (!isPossible(target, maxMemoryKiB)) continue;
      if (expectedMs(target) > tolerance * targetMs || !hasTime()) return target;
      const measured = await measure(target);
      all.push(measured);
      if (measured.togetherMs > targetMs) return target;
    }
    return undefined;
  };

  /** Between the last step that was fast enough and the first that was not, in whole MiB. */
  const refine = async () => {
    const base = recommend(all, targetMs);
    if (base === undefined || base.togetherMs * tolerance > targetMs || !hasTime()) return;
    const { memoryKiB } = base.target;
    const last = all.at(-1);
    // What is known to be too much bounds the guess.
    const half = last === base ? Infinity : (memoryKiB + (last?.target.memoryKiB ?? 0)) / 2;
    const memory = Math.min(half, (memoryKiB * margin * targetMs) / base.togetherMs);
    const target = { ...base.target, memoryKiB: Math.floor(memory / mib) * mib };
    if (isPossible(target, maxMemoryKiB)) all.push(await measure(target));
  };

  // The most that fits is a step too: where memory is short, passes go on from there.
  const most = Math.floor(maxMemoryKiB / mib) * mib;
  const sizes = [...steps.filter((size) => size < most), most];
  const more = sizes.filter((size) => size > weakestTarget.memoryKiB);
  const tooMuch = await climb(more.map((memoryKiB) => ({ ...weakestTarget, memoryKiB })));
  if (tooMuch !== undefined) await refine();
  else {
    const { target } = all.at(-1) ?? { target: weakestTarget };
    const passes = [3, 4, 5, 6, 7, 8, 9, 10];
    await climb(passes.map((count) => ({ ...target, passes: count })));
  }
  return all.sort((a, b) => kibInAll(a.target) - kibInAll(b.target));
};
