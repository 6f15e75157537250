/**
 * Compares two things on a machine that is never quiet: short slices of both in turn, in the order
 * A B B A A B B A …, so that slow drift cancels inside the pairs, and two slices of the same kind
 * lie side by side: those are the A/A control, taken at no extra time. A pair during which other
 * processes took part of the cores says little (they take more from whoever has the lower priority),
 * so it is dropped and another one tried.
 */
import { type Interval, medianInterval } from './stats.js';

export type Comparison<A, B> = {
  ratio: Interval;
  /** Each of the two against itself; both should be 1. */
  control: { a: Interval; b: Interval };
  a: A[];
  b: B[];
  /** Pairs not used because of neighbours. */
  dropped: number;
  /** So many were disturbed that all had to be used: the figures are not to be trusted. */
  isNoisy: boolean;
};

/** What is compared: a rate, or the p99 of latencies where a slice says so. */
type Rated = { rate: number };
type Pair<A, B> = { at: number; a: A; b: B; neighbours: number };
/** Started before a slice, called after it: the share of all cores that others took meanwhile. */
export type Watch = () => () => number;

const maxNeighbours = 0.06;
const maxTries = 2;
const fewest = 5;

const takePair = async <A, B>(given: {
  at: number;
  a: () => Promise<A>;
  b: () => Promise<B>;
  watch: Watch;
}): Promise<Pair<A, B>> => {
  const { at, watch } = given;
  let neighbours = 0;
  const take = async <T>(slice: () => Promise<T>): Promise<T> => {
    const end = watch();
    const taken = await slice();
    neighbours = Math.max(neighbours, end());
    return taken;
  };
  const early = at % 2 === 1 ? await take(given.b) : undefined;
  const a = await take(given.a);
  return { at, a, b: early ?? (await take(given.b)), neighbours };
};

/** Slices of one kind side by side: A B | B A | A B, so pairs 0 and 1 share B B, 1 and 2 A A. */
const selfQuotients = <A extends Rated, B extends Rated>(pairs: readonly Pair<A, B>[]) => {
  const a: number[] = [];
  const b: number[] = [];
  for (const [i, pair] of pairs.entries()) {
    const before = pairs[i - 1];
    if (before?.at !== pair.at - 1) continue;
    if (pair.at % 2 === 1) b.push(pair.b.rate / before.b.rate);
    else a.push(pair.a.rate / before.a.rate);
  }
  return { a, b };
};

/** The median of a ÷ b over `pairs` undisturbed pairs. `onPair` is told how far it is. */
export const compare = async <A extends Rated, B extends Rated>(given: {
  pairs: number;
  a: () => Promise<A>;
  b: () => Promise<B>;
  watch: Watch;
  onPair: (kept: number) => void;
}): Promise<Comparison<A, B>> => {
  const all: Pair<A, B>[] = [];
  const clean: Pair<A, B>[] = [];
  for (let at = 0; clean.length < given.pairs && at < maxTries * given.pairs; at++) {
    const pair = await takePair({ at, ...given });
    all.push(pair);
    if (pair.neighbours <= maxNeighbours) clean.push(pair);
    given.onPair(clean.length);
  }
  const isNoisy = clean.length < Math.min(fewest, given.pairs);
  const used = isNoisy ? all : clean;
  const control = selfQuotients(used);
  return {
    ratio: medianInterval(used.map(({ a, b }) => a.rate / b.rate)),
    control: { a: medianInterval(control.a), b: medianInterval(control.b) },
    a: used.map(({ a }) => a),
    b: used.map(({ b }) => b),
    dropped: all.length - used.length,
    isNoisy,
  };
};
