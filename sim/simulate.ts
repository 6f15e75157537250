/** Runs scenarios over their seeds, as many at once as there are cores, and sums each variant up. */
import type { Criterion } from '../bench/report.js';
import type { Crew } from './crew.js';
import type { Run } from './fleet.js';
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
} from './measures.js';
import type { Scenario, Variant } from './scenario.js';

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
};
export type Simulated = {
  name: string;
  about: string;
  summaries: Summary[];
  criteria: Criterion[];
};

type Given = { seeds: readonly number[]; crew: Crew; progress: (text: string) => void };

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

/** Hashes per answered login, in every scenario with our own rule. */
export const judgeRetries = (all: readonly Simulated[]): Criterion[] => {
  const worst = all
    .flatMap(({ name, summaries }) => summaries.map((summary) => ({ name, ...summary })))
    .filter(({ policy }) => policy === 'ours')
    .sort((a, b) => b.amplification - a.amplification)[0];
  if (worst === undefined) return [];
  const { name, variant, amplification: measured } = worst;
  return [
    {
      name: `25 hashes per answered login, most of any scenario (${name}: ${variant})`,
      target: '≤ 1.1',
      measured: Number(measured.toFixed(3)),
      pass: measured <= 1.1,
    },
  ];
};
