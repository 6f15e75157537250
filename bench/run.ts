/**
 * `npm run bench -- NAME`: runs one bench and shows what it found. Progress goes to stderr, the table
 * to stdout; with --json the last line of stdout is one JSON object. Ends with 0 when the bench ran,
 * whatever it found (the criteria are data), and with 1 when it could not run.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { createCommandLine, createProgress } from './command-line.js';
import { engines } from './engines.js';
import { stopFleets } from './fleet.js';
import { haproxy } from './haproxy.js';
import { ensureBuilt, projectRoot } from './launch.js';
import { campaign } from './legacy/campaign.js';
import { importBench } from './legacy/import.js';
import { login } from './login.js';
import { watchWhole } from './neighbours.js';
import { nodes } from './nodes.js';
import { oauth } from './oauth.js';
import { failover } from './open/failover.js';
import { flood } from './open/flood.js';
import { guesser } from './open/guesser.js';
import { hotkey } from './open/hotkey.js';
import { overload } from './open/overload.js';
import { reload } from './open/reload.js';
import { soak } from './open/soak.js';
import { type Bench, describeMachine, describeVersions, formatReport, round } from './report.js';
import { revocation } from './revocation/revocation.js';
import { routing } from './routing.js';
import { timing } from './timing.js';
import { verify } from './verify.js';

const benches: Record<string, Bench> = {
  login,
  verify,
  engines,
  oauth,
  nodes,
  haproxy,
  overload,
  flood,
  hotkey,
  guesser,
  failover,
  reload,
  soak,
  routing,
  timing,
  import: importBench,
  campaign,
  revocation,
};

const usage = `npm run bench -- NAME [options]

${Object.entries(benches)
  .map(([name, { about }]) => `  ${name.padEnd(10)} ${about}`)
  .join('\n')}

  --nodes 1,2      node counts to measure (verify takes the last); nodes: 1,2,4,8,16,32
  --duration 10    seconds of each uninterrupted run
  --minutes 20     of the soak
  --rows N         of import (1,000,000) and campaign (100,000)
  --pairs 15       pairs of slices behind each ratio
  --count 1000     revocations
  --profile DIR    write CPU profiles of edges and nodes there (slows them down)
  --json           one JSON object as the last line
`;

const { wrong, readInt } = createCommandLine('bench');

const parse = () => {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        nodes: { type: 'string' },
        duration: { type: 'string', default: '10' },
        minutes: { type: 'string', default: '20' },
        rows: { type: 'string' },
        pairs: { type: 'string', default: '15' },
        count: { type: 'string', default: '1000' },
        profile: { type: 'string' },
        json: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    });
  } catch (error) {
    return wrong(error instanceof Error ? error.message : String(error));
  }
};

const { values, positionals } = parse();
if (values.help) {
  process.stdout.write(usage);
  process.exit(0);
}
const [name = wrong('which bench? Give its name'), ...more] = positionals;
if (more.length > 0) wrong(`one bench at a time, not also "${more.join(' ')}"`);
const bench = benches[name] ?? wrong(`there is no bench "${name}"`);
const options = {
  nodes: values.nodes?.split(',').map((text) => readInt('nodes', text, 1, 64)) ??
    bench.nodes ?? [1, 2],
  durationSeconds: readInt('duration', values.duration, 1, 600),
  minutes: readInt('minutes', values.minutes, 1, 600),
  ...(values.rows === undefined ? {} : { rows: readInt('rows', values.rows, 10, 100_000_000) }),
  pairs: readInt('pairs', values.pairs, 2, 1000),
  count: readInt('count', values.count, 1, 10_000),
  ...(values.profile === undefined ? {} : { profile: values.profile }),
  progress: createProgress(),
};

let isInterrupted = false;
const interrupt = () => {
  isInterrupted = true;
  // Everything that is being waited for fails now; what was started must still be stopped.
  process.on('unhandledRejection', () => {});
  void stopFleets().finally(() => process.exit(1));
};
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, interrupt);

try {
  const machine = describeMachine();
  options.progress('building');
  ensureBuilt();
  const seen = watchWhole();
  const report = await bench.run(options);
  const neighbours = seen();
  if (process.stderr.isTTY) process.stderr.write('\r\x1b[K');
  const out = join(projectRoot, 'bench/out');
  mkdirSync(out, { recursive: true });
  const chart = join(out, `${name}.svg`);
  writeFileSync(chart, report.chart);
  const others = `other programs: ${(100 * neighbours).toFixed(1)} % of the machine's cores`;
  process.stdout.write(`${formatReport(report)}\n${others}\nchart: ${chart}\n`);
  const { parameters, results, criteria } = report;
  const versions = describeVersions(projectRoot);
  const machineAndOthers = { ...machine, neighbours: round(neighbours) };
  const summary = {
    ...{ bench: name, machine: machineAndOthers, versions },
    ...{ parameters, results, criteria },
  };
  if (values.json) process.stdout.write(`${JSON.stringify(summary)}\n`);
} catch (error) {
  if (isInterrupted) await new Promise<never>(() => {});
  process.stderr.write(`\nbench: ${error instanceof Error ? error.message : String(error)}\n`);
  // Processes of ours that still run end with us.
  process.exit(1);
}
