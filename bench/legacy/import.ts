/** The import bench: how fast users come in, at what memory, and whether all of them are there. */
import { drawChart } from '../chart.js';
import { atLeast, atMost, type Bench, round } from '../report.js';
import { type Imported, measureImport } from './import-measure.js';
import type { Usage } from './usage.js';

const targetPerSecond = 20_000;
/** Of the second half's peak to the first's: what grows with the rows would double. */
const flat = 1.25;
/** Whose memory must not depend on the number of rows; a store's does. */
const streaming = ['command', 'admin', 'nodes'];

const growthOf = ({ firstHalf, lastHalf }: Usage): number => lastHalf / firstHalf;

/** How many records or ids are too few or too many. */
const missing = ({ total, ids }: { total: number; ids: number }, rows: number): number =>
  Math.abs(total - rows) + Math.abs(ids - rows);

const criteriaOf = (found: Imported) => [
  atLeast('rows a second', found.perSecond, targetPerSecond),
  atMost('records or ids lost or doubled', missing(found.records, found.rows), 0),
  atMost(
    'lost or doubled after kills and resumes',
    missing(found.killed.records, found.rows + found.killed.rows),
    0,
  ),
  atMost('imported users who cannot sign in', found.signIns.tried - found.signIns.ok, 0),
  ...streaming.flatMap((name) => {
    const usage = found.usage[name];
    return usage === undefined
      ? []
      : [atMost(`memory of ${name}, second half ÷ first`, growthOf(usage), flat)];
  }),
];

export const importBench: Bench = {
  about:
    'a million users through `floodgate users import`: rate, memory, killed and resumed (--rows)',
  run: async (options) => {
    const found = await measureImport(options);
    const { rows, perSecond, dryPerSecond, usage, killed, signIns } = found;
    const used = Object.entries(usage).map(([name, { peak, firstHalf, lastHalf, cpuMs }]) => ({
      ...{ name, peak: round(peak, 1), first: round(firstHalf, 1), last: round(lastHalf, 1) },
      cpu: round((cpuMs * 1000) / rows, 1),
    }));
    return {
      parameters: { rows, killed_rows: killed.rows },
      results: {
        rows_per_second: round(perSecond, 0),
        dry_run_rows_per_second: round(dryPerSecond, 0),
        memory_mib_and_cpu_us_per_row: used,
        ...{ kills: killed.kills, sign_ins: signIns, records: killed.records.byKind },
      },
      criteria: criteriaOf(found),
      tables: [
        {
          title: `${rows} rows: ${perSecond.toFixed(0)} a second, dry run ${dryPerSecond.toFixed(0)}`,
          head: ['', 'MiB, peak', 'first half', 'second half', 'CPU, µs a row'],
          rows: used.map(({ name, peak, first, last, cpu }) => [
            name,
            ...[peak, first, last, cpu].map(String),
          ]),
        },
      ],
      chart: drawChart({
        heading: 'Importing users',
        notes: [`${rows} rows at ${perSecond.toFixed(0)} a second`],
        panels: [
          {
            title: 'Memory',
            axis: 'MiB, peak',
            bars: used.map(({ name, peak }) => ({ label: name, values: [peak] })),
          },
        ],
      }),
    };
  },
};
