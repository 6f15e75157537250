/** More than there is room for: steadily, in bursts, and with clients that come back. */
import { atLeast, atMost, type Criterion } from '../bench/report.js';
import {
  deepest,
  goodput,
  latencyMs,
  lateShare,
  recoveryMs,
  refusedByNodes,
  refusedShare,
} from './measures.js';
import {
  loginBudgetMs,
  type Results,
  type Scenario,
  serviceMs,
  small,
  tiny,
  type Variant,
} from './scenario.js';

export const overloadMultiples = [0.8, 1, 2, 5, 10];
const floors: Record<number, number> = { 2: 0.97, 5: 0.95, 10: 0.9 };
/** Until the burst budget is used up, and what it let in is done. */
const warmUpMs = 1000;
const measureMs = 750;

/** Slots, and what may wait for them. */
const mostInFlight = small.slots * (1 + 100 / serviceMs);

const judgeMultiple = (of: Results, multiple: number): Criterion[] => {
  const runs = of(`ours ${multiple}`);
  const refused = refusedByNodes(runs);
  const limitMs = loginBudgetMs.sustained + 3 * serviceMs;
  return [
    atLeast(`12 goodput at ${multiple} ×`, goodput(runs, measureMs), floors[multiple] ?? 0),
    atMost(`13 p99 of admitted at ${multiple} ×, ms`, latencyMs(runs, 0.99), limitMs),
    atMost(`14 let in and not answered in time at ${multiple} ×, %`, 100 * lateShare(runs), 0.1),
    ...(multiple === 5
      ? [atMost('16 refused by nodes at 5 ×, % of offered', 100 * refused, 20)]
      : []),
    ...(multiple === 10
      ? [
          atMost('20 most in flight at a node at 10 ×', deepest(runs), mostInFlight),
          atMost('16 refused by nodes at 10 ×, % of offered', 100 * refused, 10),
        ]
      : []),
  ];
};

export const overload: Scenario = {
  about: 'goodput, latency of the admitted and refusals at 0.8 to 10 times the capacity',
  worlds: Object.fromEntries(
    overloadMultiples.flatMap((multiple) => {
      const world = { ...small, edges: [0.5, 0.5], warmUpMs, measureMs, load: () => multiple };
      const rows: [string, Variant][] = [[`ours ${multiple}`, world]];
      for (const policy of ['jsq', 'p2c', 'hash'] as const)
        rows.push([
          `${policy} ${multiple}`,
          { ...world, policy, seedShare: multiple > 2 ? 0.05 : 0.1 },
        ]);
      return rows;
    }),
  ),
  judge: (of) => [2, 5, 10].flatMap((multiple) => judgeMultiple(of, multiple)),
};

const burstEveryMs = 3000;
const bursts = (lengthMs: number): Variant => ({
  ...tiny,
  measureMs: 2 * burstEveryMs,
  load: (atMs) => (atMs >= 0 && atMs % burstEveryMs < lengthMs ? 3 : 0.5),
});

export const burst: Scenario = {
  about: 'short bursts of three times the capacity every 3 s over half load',
  worlds: { '120 ms': bursts(120), '300 ms': bursts(300) },
  judge: (of) => [
    atMost('18 bursts of 120 ms at 3 ×: refused, %', 100 * refusedShare(of('120 ms')), 3),
    atMost('18 bursts of 300 ms at 3 ×: refused, %', 100 * refusedShare(of('300 ms')), 15),
  ],
};

const storm = { baseMs: 2000, burstMs: 10_000, untilMs: 17_000 };
/** Who is refused comes back three times, after at most three seconds each: the load is as before 13 s after the burst. */
const heedingUntilMs = 32_000;
type Pause = NonNullable<Variant['patience']>['pauseMs'];
const retrying = (pauseMs: Pause): Variant => ({
  ...tiny,
  nodes: 2,
  measureMs: storm.untilMs,
  load: (atMs) => (atMs >= storm.baseMs && atMs < storm.baseMs + storm.burstMs ? 5 : 0.6),
  patience: { tries: 3, pauseMs },
});

/** `steadyMs`: see `recoveryMs`. */
const judgeStorm = (
  of: Results,
  variant: string,
  { untilMs, steadyMs }: { untilMs: number; steadyMs?: number },
): Criterion => {
  const runs = of(variant);
  const before = latencyMs(runs, 0.99, ({ atMs }) => atMs < storm.baseMs);
  const endMs = storm.baseMs + storm.burstMs;
  const tookMs = recoveryMs(runs, {
    ...{ fromMs: endMs, untilMs, limitMs: 1.25 * before },
    // By quarters of a second one odd window decides: 1.75 to 5 s, depending on the seeds alone.
    windowMs: 500,
    ...(steadyMs === undefined ? {} : { steadyMs }),
  });
  return atMost(`17 burst of 5 ×, 10 s, ${variant}: s until baseline`, tookMs / 1000, 2);
};

export const retryStorm: Scenario = {
  about: 'ten seconds of five times the capacity, whoever is refused comes back three times',
  worlds: {
    // Full jitter over 200, 400, 800 ms. With 20 seeds a window's p99 hangs on too few.
    'clients with backoff': {
      ...retrying((nth, chance) => 100 * 2 ** nth * chance()),
      seedShare: 2,
    },
    'clients that heed Retry-After': {
      ...retrying((_nth, _chance, toldMs) => toldMs),
      ...{ seedShare: 0.25, measureMs: heedingUntilMs },
    },
  },
  judge: (of) => [
    judgeStorm(of, 'clients with backoff', storm),
    judgeStorm(of, 'clients that heed Retry-After', { untilMs: heedingUntilMs, steadyMs: 3000 }),
  ],
};
