/** What `--check` lets pass: criteria that are missed and said to be, in the README and in docs/figures.md. */
import type { Criterion } from '../bench/report.js';

export const knownAsMissed: readonly string[] = [
  // Hardly more than with eight nodes, which are at the limit.
  '6 affinity at 0.7, 1,000 nodes',
  '6 p99 against JSQ at 0.7, 1,000 nodes',
  // 14.7 % is what the budget of a login leaves of such bursts; the rest is room that edges learn of too late.
  '18 bursts of 300 ms at 3 ×: refused, %',
  // They come back when they were told to, after the two seconds.
  '17 burst of 5 ×, 10 s, clients that heed Retry-After: s until baseline',
];

/** Those that nobody knows of. */
export const findNews = (criteria: readonly Criterion[]): Criterion[] =>
  criteria.filter(({ name, pass }) => !pass && !knownAsMissed.includes(name));

/** Those of the list that are held now. */
export const findHeld = (criteria: readonly Criterion[]): Criterion[] =>
  criteria.filter(({ name, pass }) => pass && knownAsMissed.includes(name));
