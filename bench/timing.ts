/**
 * The timing bench: does the time of a refused login tell whether there is such an account, or which
 * hash it has? Every pair of kinds is tested; a delay that the client plants must be found, or the run
 * proves nothing. Judged while nothing else happens; under load the same figures are reported.
 */
import { drawChart } from './chart.js';
import { type Paired, testPairs } from './paired.js';
import { atLeast, atMost, type Bench, type Report, round } from './report.js';
import { median } from './stats.js';
import { equals, load, measureTiming, names, type Phase, plantedMs } from './timing-measure.js';

type Pair = Paired & { a: string; b: string };
type Tested = Phase & { title: string; pairs: Pair[]; planted: Paired };

const targetMs = 1;
const maxNeighbours = 0.06;

const differences = ({ rounds }: Phase, a: string, b: string): number[] =>
  rounds.map((times) => (times[a] ?? Number.NaN) - (times[b] ?? Number.NaN));

const pairsOf = (kinds: readonly string[]): { a: string; b: string }[] =>
  kinds.flatMap((b, at) => kinds.slice(at + 1).map((a) => ({ a, b })));

const titleOf = ({ floorMs, load }: Phase): string =>
  `${load === 0 ? 'idle' : `beside logins at ${load} of the capacity`}, ` +
  `${floorMs === 0 ? 'without the floor' : `floor ${floorMs} ms`}`;

const test = (phase: Phase): Tested => ({
  ...phase,
  title: titleOf(phase),
  pairs: pairsOf(names).map(({ a, b }) => ({ a, b, ...testPairs(differences(phase, a, b)) })),
  planted: testPairs(differences(phase, 'planted', 'unknown')),
});

/** Without the floor a check takes as long as its hash, so only equal hashes are judged there. */
const judged = ({ floorMs, pairs }: Tested): Pair[] =>
  floorMs > 0 ? pairs : pairs.filter(({ a, b }) => equals.includes(a) && equals.includes(b));

const largest = (pairs: readonly Pair[]): number =>
  Math.max(...pairs.map(({ difference }) => Math.abs(difference.median)));

const criteriaOf = (tested: Tested): Report['criteria'] => {
  const pairs = judged(tested);
  const { title, planted } = tested;
  return [
    atMost(`${title}: largest difference of medians, ms`, largest(pairs), targetMs),
    atMost(`${title}: pairs that leak`, pairs.filter(({ leaks }) => leaks).length, 0),
    atLeast(`${title}: the planted ${plantedMs} ms are found`, planted.leaks ? 1 : 0, 1),
  ];
};

const medians = ({ rounds }: Phase): Record<string, number> =>
  Object.fromEntries(
    names.map((name) => [name, round(median(rounds.map((times) => times[name] ?? Number.NaN)), 2)]),
  );

const showDifference = ({ difference, z, leaks }: Paired): string[] => {
  const { median, low, high } = difference;
  const values = [median, low, high].map((value) => value.toFixed(2));
  return [`${values[0]} [${values[1]}, ${values[2]}]`, z.toFixed(1), leaks ? 'found' : ''];
};

const tableOf = (tested: Tested): Report['tables'][number] => ({
  title: `${tested.title}: ${tested.rounds.length} rounds, ms`,
  head: ['a − b', 'median [99 %]', 'z', ''],
  rows: [
    ...tested.pairs.map((pair) => [`${pair.a} − ${pair.b}`, ...showDifference(pair)]),
    [`planted ${plantedMs} ms − unknown`, ...showDifference(tested.planted)],
  ],
});

const describe = ({ difference, z, leaks }: Paired) => ({
  median_ms: round(difference.median),
  low_ms: round(difference.low),
  high_ms: round(difference.high),
  z: round(z, 1),
  leaks,
});

const resultOf = (tested: Tested) => ({
  rounds: tested.rounds.length,
  dropped_rounds: tested.dropped,
  neighbours: round(tested.neighbours),
  median_ms: medians(tested),
  pairs: Object.fromEntries(tested.pairs.map((pair) => [`${pair.a} − ${pair.b}`, describe(pair)])),
  planted: describe(tested.planted),
});

export const timing: Bench = {
  about: 'refused logins of unknown, argon2id, bcrypt, PBKDF2 and disabled users: do times differ?',
  run: async (options) => {
    const phases = (await measureTiming(options)).map(test);
    const idle = phases.filter(({ load }) => load === 0);
    return {
      parameters: { pairs: options.pairs, planted_ms: plantedMs, load },
      results: Object.fromEntries(phases.map((phase) => [phase.title, resultOf(phase)])),
      criteria: idle.flatMap(criteriaOf),
      isNoisy: idle.some(({ neighbours }) => neighbours > maxNeighbours),
      tables: phases.map(tableOf),
      chart: drawChart({
        heading: 'How long a refused login takes',
        notes: [
          'One connection, one request after the other; every name, address and order is new.',
        ],
        panels: phases.map((phase) => ({
          title: phase.title,
          axis: 'milliseconds until the answer (median)',
          bars: Object.entries(medians(phase)).map(([label, value]) => ({
            label,
            values: [value],
          })),
        })),
      }),
    };
  },
};
