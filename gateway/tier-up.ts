/**
 * When V8 compiles hot code anew, optimised. A crowd that meets an edge just started makes all of its code hot
 * at once, and compiling it then takes most of a processor for seconds. So a function has to run four
 * times as much before it is compiled, until so many requests are answered that most of the code has left the
 * interpreter. At ten times the capacity, fresh edges on one core, the median refusal takes 17 to 95 ms in the first
 * second and 1 ms from then on; without this it took 50 to 130 ms for four to five seconds.
 */
import { setFlagsFromString } from 'node:v8';

/** Bytes of code that a function runs before V8 looks at it; the second is V8's own. */
const budget = { atFirst: 300_000, later: 67_584 };
const firstRequests = 1500;
/** Later versions count calls instead, and have a quicker compiler in between. */
const isKnown = Number.parseInt(process.versions.v8, 10) < 12;

const set = (bytes: number): void => {
  if (isKnown) setFlagsFromString(`--interrupt-budget=${bytes}`);
};

/** To be called at each answer. */
export const createTierUp = () => {
  let left = firstRequests;
  set(budget.atFirst);
  return (): void => {
    if (left > 0 && --left === 0) set(budget.later);
  };
};
