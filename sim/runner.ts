/** A process that runs one world and seed at a time. A world holds functions, so it is asked for by name. */
import { serve } from '../bench/peer.js';
import { runWorld } from './fleet.js';
import { measureHashing, measurePeaks } from './hashing.js';
import { type PackedRun, pack } from './pack.js';
import { scenarios } from './scenarios.js';

export type Task = { scenario: string; variant: string; seed: number };

// Refusals are errors; a quarter of the time would go into stacks that nobody reads.
Error.stackTraceLimit = 0;

const calls = {
  run: async ({ scenario, variant, seed }: Task): Promise<PackedRun> => {
    const world = scenarios[scenario]?.worlds[variant];
    if (world === undefined) throw new Error(`there is no world "${variant}" in "${scenario}"`);
    return pack(await runWorld(world, seed));
  },
  hashing: measureHashing,
  peaks: measurePeaks,
};
export type RunnerCalls = typeof calls;

serve(calls);
