/** Nodes that come and go, and a registry that stands still. */
import { atMost, type Criterion } from '../bench/report.js';
import { latencyMs, most, notOk, recoveryMs } from './measures.js';
import { type Scenario, tiny } from './scenario.js';
import type { World } from './world.js';

type Event = NonNullable<World['events']>[number];

const freezeMs = 60_000;
const killAtMs = 10_000;
/** Few runs, so that so long a time is quick. */
const quiet = { ...tiny, measureMs: freezeMs + 8000, load: () => 0.7, seedShare: 0.2 };
const freezing: Event[] = [
  { atMs: 0, run: (fleet) => fleet.freezeRegistry(true) },
  { atMs: freezeMs, run: (fleet) => fleet.freezeRegistry(false) },
];

export const frozen: Scenario = {
  about:
    'the registry stands still for 60 s at 70 % load: nothing else; at half load a node is killed meanwhile',
  worlds: {
    'as usual': quiet,
    frozen: { ...quiet, events: freezing },
    'frozen, one killed': {
      ...quiet,
      // Of what the other three can do alone, two thirds.
      load: () => 0.5,
      events: [...freezing, { atMs: killAtMs, run: (fleet) => fleet.kill(0) }],
    },
  },
  judge: (of) => {
    const p99 = (variant: string) => latencyMs(of(variant), 0.99);
    const killed = of('frozen, one killed');
    const before = latencyMs(killed, 0.99, ({ atMs }) => atMs < killAtMs);
    const backMs = recoveryMs(killed, {
      ...{ fromMs: killAtMs, untilMs: killAtMs + 3000, limitMs: 1.5 * before },
    });
    return [
      atMost('11 registry frozen for 60 s: p99 ÷ as usual', p99('frozen') / p99('as usual'), 1.05),
      atMost('11 registry frozen for 60 s: errors, most of a run', most(of('frozen'), notOk), 0),
      atMost('11 the same, one of 4 killed: errors, most of a run', most(killed, notOk), 0),
      atMost('11 the same, one of 4 killed: s until p99 is back', backMs / 1000, 1),
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
      'join, drain, leave: p99 ÷ steady',
      latencyMs(of('changing'), 0.99, ({ atMs }) => atMs < 4000) / latencyMs(of('steady'), 0.99),
      1.25,
    ),
  ],
};
