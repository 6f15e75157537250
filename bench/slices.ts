/**
 * Compares two things on a machine that is never quiet: short slices of both in turn, in the order
 * A B B A A B B A …, so that slow drift cancels inside the pairs, and two slices of the same kind
 * lie side by side: those are the A/A control, taken at no extra time.
 */
import { type Interval, medianInterval } from './stats.js';

export type Comparison<A, B> = {
  ratio: Interval;
  /** Each of the two against itself; both should be 1. */
  control: { a: Interval; b: Interval };
  a: A[];
  b: B[];
};

type Rated = { rate: number };

const quotients = (rates: readonly number[]): number[] =>
  rates.slice(1).map((rate, i) => rate / (rates[i] ?? Number.NaN));

/** Neighbours of the same kind: (2nd, 3rd), (4th, 5th) … pair; which of A and B takes turns. */
const neighbours = (rates: readonly number[], first: 0 | 1): number[] =>
  quotients(rates).filter((_, i) => i % 2 === first);

/** The median of a ÷ b over `pairs` pairs. `onPair` is told how far it is. */
export const compare = async <A extends Rated, B extends Rated>({
  pairs,
  a,
  b,
  onPair = () => {},
}: {
  pairs: number;
  a: () => Promise<A>;
  b: () => Promise<B>;
  onPair?: (done: number) => void;
}): Promise<Comparison<A, B>> => {
  const as: A[] = [];
  const bs: B[] = [];
  const ratios: number[] = [];
  for (let i = 0; i < pairs; i++) {
    const isSwapped = i % 2 === 1;
    const early = isSwapped ? await b() : undefined;
    const one = await a();
    const other = early ?? (await b());
    as.push(one);
    bs.push(other);
    ratios.push(one.rate / other.rate);
    onPair(i + 1);
  }
  const rates = (list: readonly Rated[]) => list.map(({ rate }) => rate);
  return {
    ratio: medianInterval(ratios),
    // A B | B A | A B: pair 0 and 1 share B B, pair 1 and 2 share A A.
    control: {
      a: medianInterval(neighbours(rates(as), 1)),
      b: medianInterval(neighbours(rates(bs), 0)),
    },
    a: as,
    b: bs,
  };
};
