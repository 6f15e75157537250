/**
 * `npm run sim`: the hashing figures, then every scenario over many seeds in virtual time; shows the
 * table of acceptance figures and writes charts. Progress goes to stderr; with --json the last line of
 * stdout is one JSON object in the form of the benches. Ends with 0 when it ran, whatever it found; with
 * --check only when nothing is missed but what is known to be.
 */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { createCommandLine, createProgress } from '../bench/command-line.js';
import { describeVersions, formatReport, type Row } from '../bench/report.js';
import { drawCharts } from './charts.js';
import { createCrew } from './crew.js';
import { judgeHashing } from './hashing.js';
import { findHeld, findNews } from './known.js';
import { scenarios } from './scenarios.js';
import { judgeRetries, type Simulated, type Summary, simulate } from './simulate.js';

/** The project, also when this runs compiled, somewhere below sim/out. */
const findRoot = (dir: string): string =>
  existsSync(join(dir, 'package.json')) ? dir : findRoot(dirname(dir));
const root = findRoot(dirname(fileURLToPath(import.meta.url)));
const names = ['hashing', ...Object.keys(scenarios)];

const usage = `npm run sim -- [options]

  hashing    how evenly keys fall and which move, up to 1,000 nodes
${Object.entries(scenarios)
  .map(([name, { about }]) => `  ${name.padEnd(10)} ${about}`)
  .join('\n')}

  --only NAME   one of these alone (may be repeated)
  --seeds 20    seeds per scenario
  --seed 1      the first of them; some variants take up to three times as many, so sets 100 apart share none
  --json        one JSON object as the last line
  --check       end with 1 when a criterion is missed that is not known as missed (with 20 seeds)
`;

const { wrong, readInt } = createCommandLine('sim');

const parse = () => {
  try {
    return parseArgs({
      options: {
        only: { type: 'string', multiple: true, default: [] },
        seeds: { type: 'string', default: '20' },
        seed: { type: 'string', default: '1' },
        json: { type: 'boolean', default: false },
        check: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    }).values;
  } catch (error) {
    return wrong(error instanceof Error ? error.message : String(error));
  }
};

const percent = (share: number): string => (100 * share).toFixed(1);
const showServed = (served: Summary['served']): string =>
  Object.entries(served)
    .map(([name, share]) => `${name} ${percent(share)}`)
    .join(', ');
const rowOf = (s: Summary): Row => [
  s.variant,
  String(s.logins),
  s.p50Ms.toFixed(0),
  s.p99Ms.toFixed(0),
  percent(s.goodput),
  percent(s.affinity),
  percent(s.refused),
  percent(s.refusedByNodes),
  s.failed.toFixed(1),
  s.attempts.toFixed(2),
  showServed(s.served),
];
const tableOf = ({ name, about, summaries }: Simulated) => ({
  title: `${name}: ${about}`,
  head: [
    '',
    'logins',
    'p50',
    'p99 ms',
    'goodput %',
    'home %',
    'refused %',
    'by nodes %',
    'failed',
    'tries',
    'served by class, %',
  ],
  rows: summaries.map(rowOf),
});

/** Of the acceptance list; what is not on it comes last. */
const numberOf = ({ name }: { name: string }): number => Number.parseInt(name, 10) || 99;

const values = parse();
if (values.help) {
  process.stdout.write(usage);
  process.exit(0);
}
for (const name of values.only) if (!names.includes(name)) wrong(`there is no scenario "${name}"`);
const count = readInt('seeds', values.seeds, 1, 1000);
const firstSeed = readInt('seed', values.seed, 0, 1e9);
const seeds = Array.from({ length: count }, (_, i) => firstSeed + i);
const isWanted = (name: string) => values.only.length === 0 || values.only.includes(name);
const progress = createProgress();

const startedAt = performance.now();
const crew = createCrew();
const measureAll = async () => {
  const told = async <T>(what: string, seed: number, figures: Promise<T>): Promise<T> => {
    await figures;
    progress(`${what}: seed ${seed}`);
    return figures;
  };
  const more = Array.from({ length: Math.ceil(1.5 * count) }, (_, i) => firstSeed + i);
  const [clusters, peaks] = await Promise.all([
    Promise.all(seeds.map((seed) => told('hashing', seed, crew.hashing(seed)))),
    Promise.all(more.map((seed) => told('evenness', seed, crew.peaks(seed)))),
  ]);
  return judgeHashing(clusters, peaks);
};
const hashing = isWanted('hashing') ? measureAll() : [];
const wanted = Object.entries(scenarios).filter(([name]) => isWanted(name));
const simulated = await Promise.all(
  wanted.map(([name, scenario]) => simulate(name, scenario, { seeds, crew, progress })),
);
const criteria = [
  ...(await hashing),
  ...simulated.flatMap((one) => one.criteria),
  ...judgeRetries(simulated),
].sort((a, b) => numberOf(a) - numberOf(b));
await crew.stop();
const seconds = (performance.now() - startedAt) / 1000;
if (process.stderr.isTTY) process.stderr.write('\r\x1b[K');

const out = join(root, 'sim/out');
mkdirSync(out, { recursive: true });
const charts = Object.entries(drawCharts(simulated)).map(([name, svg]) => {
  writeFileSync(join(out, name), svg);
  return join(out, name);
});
const tables = simulated.map(tableOf);
process.stdout.write(formatReport({ tables, criteria }));
process.stdout.write(`\n${seeds.length} seeds, ${seconds.toFixed(0)} s\n`);
for (const path of charts) process.stdout.write(`chart: ${path}\n`);
if (values.check) {
  for (const { name } of findHeld(criteria))
    process.stderr.write(`held, though known as missed: ${name}\n`);
  const news = findNews(criteria);
  for (const { name, measured, target } of news)
    process.stderr.write(`missed: ${name}: ${measured}, ${target}\n`);
  if (news.length > 0) process.exitCode = 1;
}
if (values.json) {
  const parameters = { seed: firstSeed, seeds: count, only: values.only };
  const results = Object.fromEntries(simulated.map(({ name, summaries }) => [name, summaries]));
  const summary = { sim: names.filter(isWanted), versions: describeVersions(root) };
  process.stdout.write(`${JSON.stringify({ ...summary, parameters, results, criteria })}\n`);
}
