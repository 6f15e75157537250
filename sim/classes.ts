/** Who keeps a place when there is not enough for all: known devices first, suspected machines last. */
import { atLeast, atMost, type Criterion } from '../bench/report.js';
import { disorderedShare, servedShare } from './measures.js';
import { type Results, type Scenario, small, tiny } from './scenario.js';
import type { Run } from './world.js';

const warmUpMs = 1000;
const served = (runs: readonly Run[], wanted: 'device' | 'login' | 'suspect'): number =>
  servedShare(runs, ({ cls }) => cls === wanted);

/** At ten times the capacity known devices alone are as much as all nodes can do. */
const judgeDevices = (of: Results, multiple: number): Criterion => {
  const runs = of(`devices ${multiple}`);
  const devices = served(runs, 'device');
  return multiple < 10
    ? atLeast(`classes: known devices served at ${multiple} ×, %`, 100 * devices, 99)
    : atLeast(
        `classes: known devices served ÷ logins served at ${multiple} ×`,
        devices / served(runs, 'login'),
        5,
      );
};

const multiples = [2, 5, 10];

export const classes: Scenario = {
  about:
    '10 % known devices at 2, 5 and 10 times the capacity; 15 % suspects at 0.7, and beside half devices at 1.3',
  worlds: {
    ...Object.fromEntries(
      multiples.map((multiple) => [
        `devices ${multiple}`,
        {
          ...{ ...small, edges: [0.5, 0.5], warmUpMs, measureMs: 1000, seedShare: 0.5 },
          classes: { device: 0.1, login: 0.9 },
          load: () => multiple,
        },
      ]),
    ),
    'suspects 0.7': {
      ...{ ...tiny, measureMs: 3000, seedShare: 0.5 },
      classes: { suspect: 0.15, login: 0.85 },
      load: () => 0.7,
    },
    order: {
      ...{ ...tiny, warmUpMs, measureMs: 15_000, seedShare: 0.5 },
      classes: { device: 0.5, suspect: 0.15, login: 0.35 },
      load: () => 1.3,
    },
  },
  judge: (of) => [
    ...multiples.map((multiple) => judgeDevices(of, multiple)),
    atLeast(
      'classes: suspects served where there is room, at 0.7, %',
      100 * served(of('suspects 0.7'), 'suspect'),
      99,
    ),
    atMost(
      '19 seconds in which a known device is refused and a suspect let in, %',
      100 * disorderedShare(of('order'), { refused: 'device', served: 'suspect' }),
      0,
    ),
  ],
};
