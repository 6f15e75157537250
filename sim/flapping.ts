/** Nodes that fail again and again, in turn and all at once: breakers, and the panic rule. */
import { atLeast, atMost } from '../bench/report.js';
import { most, share } from './measures.js';
import { type Scenario, tiny } from './scenario.js';
import type { Run, World } from './world.js';

type Event = NonNullable<World['events']>[number];
const flapForMs = 7000;
const flapUntilMs = 14_000;
/** Each node fails 1.2 s of every 3 s, in turn; all of them between 4 and 5 s. */
const flaps = (nodes: number): Event[] =>
  Array.from({ length: nodes }, (_, i) => i).flatMap((i) =>
    Array.from({ length: 3 }, (_, k): Event[] => {
      const fromMs = k === 1 ? 4000 : k * 3000 + (i * 1200) / nodes;
      const change = (atMs: number, isFailing: boolean): Event => ({
        atMs: Math.min(atMs, flapForMs),
        run: (fleet) => fleet.find(i).setFailing(isFailing),
      });
      return [change(fromMs, true), change(fromMs + 1200, false)];
    }).flat(),
  );

const panics = ({ samples }: Run, fromMs: number, toMs: number): number =>
  samples.filter(
    ({ atMs, isPanic }) => atMs >= fromMs && atMs < toMs && isPanic.some((isSo) => isSo),
  ).length;

const runShare = (runs: readonly Run[], isSo: (run: Run) => boolean): number =>
  runs.filter(isSo).length / runs.length;

export const flapping: Scenario = {
  about: 'all nodes fail in turn, then all at once, then recover',
  worlds: {
    flapping: { ...tiny, measureMs: flapUntilMs, load: () => 0.4, events: flaps(tiny.nodes) },
  },
  judge: (of) => {
    const runs = of('flapping');
    const isLast = ({ atMs }: { atMs: number }) => atMs > flapUntilMs - 2000;
    const last = runs.map((run) => ({ ...run, logins: run.logins.filter(isLast) }));
    return [
      atMost(
        '24 flapping: refused for want of a node',
        share(runs, ({ outcome }) => outcome === 'no_node'),
        0,
      ),
      atMost(
        '24 flapping: sent to an open breaker without panic',
        most(runs, ({ counts }) => counts.toOpen),
        0,
      ),
      atLeast(
        '24 flapping: runs that entered panic',
        runShare(runs, (run) => panics(run, 0, flapForMs) > 0),
        1,
      ),
      atMost(
        '24 flapping: runs that had not left it in the end',
        runShare(runs, (run) => panics(run, flapUntilMs - 2000, flapUntilMs) > 0),
        0,
      ),
      atLeast(
        '24 flapping: answered in the last 2 s',
        share(last, ({ outcome }) => outcome === 'ok'),
        0.999,
      ),
    ];
  },
};
