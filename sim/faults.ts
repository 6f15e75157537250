/** Nodes that die, hang, fail fast, flap, come and go, and a registry that stands still. */
import { atLeast, atMost, type Criterion } from '../bench/report.js';
import type { Fleet, Run, World } from './fleet.js';
import {
  average,
  failures,
  latencyMs,
  most,
  notOk,
  recoveryMs,
  share,
  slowestMs,
} from './measures.js';
import { type Scenario, tiny, usual } from './scenario.js';

type Event = NonNullable<World['events']>[number];
const faultAtMs = 1000;

export const kill: Scenario = {
  about: 'kill -9 of one of eight nodes at 70 % load, with the registry alive and frozen',
  worlds: Object.fromEntries(
    [false, true].map((isFrozen) => [
      isFrozen ? 'registry frozen' : 'registry alive',
      {
        ...usual,
        measureMs: 2500,
        load: () => 0.7,
        events: [
          { atMs: 0, run: (fleet: Fleet) => fleet.freezeRegistry(isFrozen) },
          { atMs: faultAtMs, run: (fleet: Fleet) => fleet.kill(0) },
        ],
      },
    ]),
  ),
  judge: (of) =>
    ['registry alive', 'registry frozen'].flatMap((variant) => {
      const runs = of(variant);
      const before = latencyMs(runs, 0.99, ({ atMs }) => atMs < faultAtMs);
      const backMs = recoveryMs(runs, { fromMs: faultAtMs, untilMs: 2500, limitMs: 1.5 * before });
      const number = variant === 'registry alive' ? 21 : 11;
      return [
        atMost(
          `${number} kill -9 of 1 of 8, ${variant}: failed logins, most of a run`,
          most(runs, notOk),
          0,
        ),
        atMost(`${number} kill -9 of 1 of 8, ${variant}: s until p99 is back`, backMs / 1000, 1),
      ];
    }),
};

const stopMs = 10_000;
/** From the stop until every edge had opened its breaker, in ms; the whole stop when never. */
const openAfterMs = ({ samples }: Run): number => {
  const first = samples.find(({ atMs, open }) => atMs >= faultAtMs && open.every((n) => n > 0));
  return (first?.atMs ?? faultAtMs + stopMs) - faultAtMs;
};

export const hang: Scenario = {
  about: 'SIGSTOP of one of four nodes for 10 s at 60 % of what the others can do',
  worlds: {
    hang: {
      ...tiny,
      measureMs: 13_000,
      load: () => 0.6 * 0.75,
      events: [
        { atMs: faultAtMs, run: (fleet) => fleet.find(0).stop() },
        { atMs: faultAtMs + stopMs, run: (fleet) => fleet.find(0).resume() },
      ],
    },
  },
  judge: (of) => {
    const runs = of('hang');
    return [
      atMost('23 SIGSTOP: failed logins, most of a run', most(runs, notOk), tiny.slots + 5),
      atMost('23 SIGSTOP: slowest login, ms', slowestMs(runs), 1500),
      atMost('23 SIGSTOP: ms until every breaker is open', most(runs, openAfterMs), 1000),
    ];
  },
};

const failFast: World = {
  ...usual,
  measureMs: 4000,
  load: () => 0.7,
  events: [{ atMs: faultAtMs, run: (fleet) => fleet.find(0).setFailing(true) }],
};

export const fast500: Scenario = {
  about: 'one of eight nodes answers 500 at once, self-test included',
  worlds: {
    fast500: failFast,
    'self-test passes': {
      ...failFast,
      measureMs: 30_000,
      seedShare: 0.1,
      events: [{ atMs: 0, run: (fleet) => fleet.find(0).setFailing(true, true) }],
    },
  },
  judge: (of) => {
    const runs = of('fast500');
    const offered = average(runs, ({ capacity }) => capacity * 0.7 * 30);
    const settledMs = faultAtMs + 1000;
    return [
      atMost(
        '22 fast-500: failed, % of the traffic of 30 s',
        (100 * average(runs, (r) => failures(r))) / offered,
        0.3,
      ),
      atMost(
        '22 fast-500: failed after the first second (users as probes)',
        most(runs, (run) => failures(run, ({ atMs }) => atMs > settledMs)),
        0,
      ),
      atMost(
        '22 fast-500, self-test passes: failed, % of the traffic of 30 s',
        (100 * average(of('self-test passes'), (run) => failures(run))) / offered,
        0.3,
      ),
      atMost(
        '22 fast-500: sent to an open breaker',
        most(runs, ({ counts }) => counts.toOpen),
        0,
      ),
    ];
  },
};

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

export const elastic: Scenario = {
  about: 'one node joins four at 70 % load, one drains and leaves, one is replaced by a new boot',
  worlds: {
    steady: { ...tiny, measureMs: 3000, load: () => 0.7 },
    changing: {
      ...tiny,
      measureMs: 6000,
      load: () => 0.7,
      events: [
        { atMs: 500, run: (fleet) => void fleet.start(4) },
        { atMs: 2000, run: (fleet) => fleet.drain(0) },
        { atMs: 3000, run: (fleet) => fleet.kill(0) },
        { atMs: 4000, run: (fleet) => fleet.kill(1) },
        { atMs: 4500, run: (fleet) => void fleet.start(1) },
      ],
    },
  },
  judge: (of): Criterion[] => [
    atMost('join, drain, new boot: failed logins, most of a run', most(of('changing'), notOk), 0),
    atMost(
      'join, drain, new boot: p99 ÷ steady until the kill',
      latencyMs(of('changing'), 0.99, ({ atMs }) => atMs < 4000) / latencyMs(of('steady'), 0.99),
      1.25,
    ),
  ],
};
