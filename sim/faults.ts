/** Nodes that die, hang or fail fast. */
import { atMost } from '../bench/report.js';
import { average, latencyMs, most, notOk, recoveryMs, slowestMs } from './measures.js';
import { type Scenario, tiny, usual } from './scenario.js';
import type { Run, World } from './world.js';

const faultAtMs = 1000;

export const kill: Scenario = {
  about: 'kill -9 of one of eight nodes at 70 % load',
  worlds: {
    kill: {
      ...usual,
      measureMs: 2500,
      load: () => 0.7,
      events: [{ atMs: faultAtMs, run: (fleet) => fleet.kill(0) }],
    },
  },
  judge: (of) => {
    const runs = of('kill');
    const before = latencyMs(runs, 0.99, ({ atMs }) => atMs < faultAtMs);
    const backMs = recoveryMs(runs, { fromMs: faultAtMs, untilMs: 2500, limitMs: 1.5 * before });
    return [
      atMost('21 kill -9 of 1 of 8: failed logins, most of a run', most(runs, notOk), 0),
      atMost('21 kill -9 of 1 of 8: s until p99 is back', backMs / 1000, 1),
    ];
  },
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
      // What its threads had begun or been handed when it stopped, and was done elsewhere meanwhile.
      atMost(
        '23 SIGSTOP: hashed for nobody, most of a run',
        most(runs, ({ counts }) => counts.unasked),
        2 * tiny.slots,
      ),
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
        (100 * average(runs, (r) => notOk(r))) / offered,
        0.3,
      ),
      atMost(
        '22 fast-500: failed after the first second (users as probes)',
        most(runs, (run) => notOk(run, ({ atMs }) => atMs > settledMs)),
        0,
      ),
      atMost(
        '22 fast-500, self-test passes: failed, % of the traffic of 30 s',
        (100 * average(of('self-test passes'), (run) => notOk(run))) / offered,
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
