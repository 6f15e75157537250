/** Runs scenarios over their seeds, as many at once as there are cores, and sums each variant up. */
import { atMost, type Criterion } from '../bench/report.js';
import { type WorkClass, workClasses } from '../shared/protocol.js';
import type { Crew } from './crew.js';
import {
  affinity,
  amplification,
  attempts,
  average,
  failures,
  goodput,
  latencyMs,
  refusedByNodes,
  refusedShare,
  servedShare,
} from './measures.js';
import type { Scenario, Variant } from './scenario.js';
import type { Run } from './world.js';

export type Summary = {
  variant: string;
  policy: string;
  seeds: number;
  logins: number;
  p50Ms: number;
  p99Ms: number;
  goodput: number;
  affinity: number;
  refused: number;
  refusedByNodes: number;
  failed: number;
  attempts: number;
  amplification: number;
  /** Share that was served, where there are several classes. */
  served: Partial<Record<WorkClass, number>>;
};
export type Simulated = {
  name: string;
  about: string;
  summaries: Summary[];
  criteria: Criterion[];
};

type Given = { seeds: readonly number[]; crew: Crew; progress: (text: string) => void };

const servedByClass = ({ classes = {} }: Variant, runs: readonly Run[]): Summary['served'] =>
  Object.fromEntries(
    workClasses
      .filter((name) => name in classes)
      .map((name) => [name, servedShare(runs, ({ cls }) => cls === name)]),
  );

const summarise = (variant: string, world: Variant, runs: readonly Run[]): Summary => ({
  variant,
  policy: world.policy,
  seeds: runs.length,
  logins: runs.reduce((sum, { logins }) => sum + logins.length, 0),
  p50Ms: latencyMs(runs, 0.5),
  p99Ms: latencyMs(runs, 0.99),
  goodput: goodput(runs, world.measureMs),
  affinity: affinity(runs),
  refused: refusedShare(runs),
  refusedByNodes: refusedByNodes(runs),
  failed: average(runs, (run) => failures(run)),
  attempts: attempts(runs),
  amplification: amplification(runs),
  served: servedByClass(world, runs),
});

export const simulate = async (
  name: string,
  scenario: Scenario,
  { seeds, crew, progress }: Given,
): Promise<Simulated> => {
  const runs = new Map<string, Run[]>();
  const runSeeds = async (variant: string, world: Variant) => {
    const count = Math.ceil(seeds.length * (world.seedShare ?? 1));
    const used = Array.from({ length: count }, (_, i) => (seeds[0] ?? 1) + i);
    const run = async (seed: number) => {
      const done = await crew.run({ scenario: name, variant, seed });
      progress(`${name}: ${variant}, seed ${seed}`);
      return done;
    };
    runs.set(variant, await Promise.all(used.map(run)));
  };
  const worlds = Object.entries(scenario.worlds);
  await Promise.all(worlds.map(([variant, world]) => runSeeds(variant, world)));
  const summaries = Object.entries(scenario.worlds).map(([variant, world]) =>
    summarise(variant, world, runs.get(variant) ?? []),
  );
  const criteria = scenario.judge((variant) => {
    const found = runs.get(variant);
    if (found === undefined) throw new Error(`${name} has no variant "${variant}"`);
    return found;
  });
  return { name, about: scenario.about, summaries, criteria };
};

type Named = Summary & { name: string };

/** The worst of every scenario with our own rule. */
const judgeWorst = (
  label: string,
  all: readonly Named[],
  figure: (summary: Summary) => number,
): Criterion[] => {
  const [worst] = all.toSorted((a, b) => figure(b) - figure(a));
  if (worst === undefined) return [];
  const { name, variant } = worst;
  return [atMost(`${label}, most of any scenario (${name}: ${variant})`, figure(worst), 1.1)];
};

export const judgeRetries = (all: readonly Simulated[]): Criterion[] => {
  const ours = all
    .flatMap(({ name, summaries }) => summaries.map((summary) => ({ name, ...summary })))
    .filter(({ policy }) => policy === 'ours');
  return [
    ...judgeWorst('25 attempts per request', ours, (summary) => summary.attempts),
    ...judgeWorst('25 hashes per answered login', ours, (summary) => summary.amplification),
  ];
};
