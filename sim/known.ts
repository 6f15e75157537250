/** What `--check` lets pass: criteria that are missed and said to be, in the README and in docs/figures.md. */
import type { Criterion } from '../bench/report.js';

export const knownAsMissed: readonly string[] = [
  // They come back when they were told to, after the two seconds.
  '17 burst of 5 ×, 10 s, clients that heed Retry-After: s until baseline',
];

/** Those that nobody knows of. */
export const findNews = (criteria: readonly Criterion[]): Criterion[] =>
  criteria.filter(({ name, pass }) => !pass && !knownAsMissed.includes(name));

/** Those of the list that are held now. */
export const findHeld = (criteria: readonly Criterion[]): Criterion[] =>
  criteria.filter(({ name, pass }) => pass && knownAsMissed.includes(name));
