/** Chance from a seed (mulberry32), so that a run can be repeated, and the distributions used here. */
export type Random = ReturnType<typeof createRandom>;

export const createRandom = (seed: number) => {
  let state = Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b) >>> 0;
  /** In [0, 1). */
  const uniform = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t = (t + Math.imul(t ^ (t >>> 7), t | 61)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 0x1_0000_0000;
  };
  const exponential = (mean: number): number => -mean * Math.log(1 - uniform());
  const below = (count: number): number => Math.floor(uniform() * count);

  /** Index by share; the shares add up to one. */
  const byShare = (shares: readonly number[]): number => {
    let left = uniform();
    for (let i = 0; i < shares.length; i++) {
      left -= shares[i] ?? 0;
      if (left < 0) return i;
    }
    return shares.length - 1;
  };

  return { uniform, exponential, below, byShare };
};

const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';

/** Account keys as the edge makes them: 128 bits in base64url. */
export const accountKeys = (count: number, random: Random): string[] =>
  Array.from({ length: count }, () =>
    Array.from({ length: 22 }, () => letters[random.below(64)]).join(''),
  );

/** Shares of a Zipf distribution with exponent `s`, as running sums. */
export const zipfSums = (count: number, s: number): number[] => {
  const sums: number[] = [];
  let total = 0;
  for (let i = 1; i <= count; i++) {
    total += i ** -s;
    sums.push(total);
  }
  return sums.map((sum) => sum / total);
};

/** The index in which `at` (0 to 1) falls. */
export const indexIn = (sums: readonly number[], at: number): number => {
  let low = 0;
  let high = sums.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((sums[middle] ?? 1) < at) low = middle + 1;
    else high = middle;
  }
  return low;
};
