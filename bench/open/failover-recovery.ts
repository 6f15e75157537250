/** How long what a fault of the failover bench does is felt. */
import type { Scenario } from './failover-measure.js';
import { isSignIn } from './people.js';
import { recoveredAt } from './recovery.js';
import { isServed, latencies, summarise, within } from './samples.js';

type Given = Pick<Scenario, 'samples' | 'marks'>;

/**
 * Of the p99 before the fault, on fewer nodes than then: as in the simulator. Two seconds without a bad one, as the
 * fault may not last for much longer.
 */
const recovered = { latency: 1.5, steadyMs: 2000 };
/** A request slower than this times the slowest before the fault has noticed it. */
const noticedAt = 1.5;

export const endOf = ({ samples }: Given): number =>
  samples.reduce((last, { at }) => Math.max(last, at), 0) + 1;

/** Times are of these. */
export const signIns = ({ samples }: Given) => samples.filter(isSignIn);

export const faultAt = ({ marks }: Given): number => marks[0]?.at ?? 0;

type Recovery = { ms: number; faults: number; perSecond: number };

/**
 * From the fault until a second begins from which on all is well (recovery.ts), before the next thing happens. All
 * faults of a kind on one clock, so that a second has more requests than one slow one decides about.
 */
export const recoveryOf = (scenario: Given): Recovery => {
  const people = signIns(scenario);
  const [first, ...others] = scenario.marks;
  const faults = scenario.marks.filter(({ label }) => label === first?.label);
  const spans = faults.map(({ at }) => ({
    fromMs: at,
    toMs: [...others, { at: endOf(scenario) }].find((mark) => mark.at > at)?.at ?? at,
  }));
  const untilMs = Math.min(...spans.map(({ fromMs, toMs }) => toMs - fromMs));
  const after = spans.flatMap((span) =>
    within(people, span).map((one) => ({ ...one, at: one.at - span.fromMs })),
  );
  const baselineMs = summarise(people, { fromMs: 0, toMs: faultAt(scenario) }).p99Ms;
  return {
    ms: recoveredAt(after, { fromMs: 0, untilMs, baselineMs }, recovered),
    faults: faults.length,
    perSecond: (1000 * within(after, { fromMs: 0, toMs: untilMs }).length) / untilMs,
  };
};

/** From each fault until the last request that failed or took unusually long; the longest of them. */
export const noticedOf = (scenario: Given): number => {
  const people = signIns(scenario);
  const calm = within(people, { fromMs: 0, toMs: faultAt(scenario) });
  const usual = noticedAt * Math.max(...latencies(calm.filter(isServed)));
  const [first] = scenario.marks;
  const after = (from: number): number => {
    const until = scenario.marks.find(({ at }) => at > from)?.at ?? Number.POSITIVE_INFINITY;
    return within(people, { fromMs: from, toMs: until })
      .filter((s) => !isServed(s) || s.ms > usual)
      .reduce((longest, { at, ms }) => Math.max(longest, at + ms - from), 0);
  };
  const faults = scenario.marks.filter(({ label }) => label === first?.label);
  return Math.max(0, ...faults.map(({ at }) => after(at)));
};

export const showRecovery = ({ ms, faults, perSecond }: Recovery): string => {
  const seconds = Number.isFinite(ms) ? (ms / 1000).toFixed(1) : 'not seen';
  return `${seconds} (${perSecond.toFixed(0)} of ${faults})`;
};
