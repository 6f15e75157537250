/**
 * `floodgate calibrate`: which argon2id parameters suit this machine. A program of the build measures
 * them in the threads of a node (worker/calibrate.ts); here its findings are shown, and checked with
 * logins at a real node. Nothing of this installation is read or changed.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { loadavg } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { checkByLogins } from './calibrate-check.mjs';
import { formatFindings } from './calibrate-table.mjs';
import { readIfThere } from './files.mjs';
import { parseCommand } from './input.mjs';
import { projectRoot } from './paths.mjs';
import { Refusal, UsageError } from './refusal.mjs';
import { readSettings } from './settings.mjs';

/** @typedef {import('./paths.mjs').Env} Env */
/** @typedef {import('./calibrate-table.mjs').Candidate} Candidate */
/**
 * @typedef {{ candidates: Candidate[], recommended: number, password: string, hash: string }} Findings
 * @typedef {{ targetMs: number, threads: number, memoryMiB: number | undefined, forMs: number }} Wanted
 */

const calibrateHelp = `Usage: floodgate calibrate [options]

Measures argon2id on this machine with all hash threads at work, from OWASP's minimum upwards, and prints
the settings for the strongest hash that takes at most the target. Best on an otherwise idle machine.

  --target 250ms    how long a hash may take while all threads hash (20ms to 2000ms)
  --threads N       hash threads of this machine, all nodes together (default: as \`npm start\` has them)
  --memory MIB      what all hashes together may use (default: a quarter of the memory, at least 256)
  --seconds N       how long to measure, at most (default 20); the check takes some ten more
  --no-check        leave out the check with logins at a real node
  --json            one JSON object instead of the table
`;

const options = /** @type {const} */ ({
  target: { type: 'string', default: '250ms' },
  threads: { type: 'string' },
  memory: { type: 'string' },
  seconds: { type: 'string', default: '20' },
  'no-check': { type: 'boolean', default: false },
  json: { type: 'boolean', default: false },
  help: { type: 'boolean', short: 'h', default: false },
});

/** @param {string[]} args */
const parse = (args) => parseCommand({ args, options }, calibrateHelp).values;

/** @param {string} name @param {string} text @param {{ min: number, max: number }} range */
const readInt = (name, text, { min, max }) => {
  const value = /^\d{1,7}$/.test(text) ? Number(text) : Number.NaN;
  if (value >= min && value <= max) return value;
  throw new UsageError(`--${name} must be a whole number from ${min} to ${max}, not "${text}".`);
};

/** @param {string} text */
const readTarget = (text) => readInt('target', text.replace(/ms$/, ''), { min: 20, max: 2000 });

/** The threads of all nodes that `npm start` would start here. @param {Env} env */
const defaultThreads = (env) => {
  const { nodes, hashThreads } = readSettings(env);
  return Math.min(256, nodes * (Number(hashThreads) || 1));
};

/** @param {ReturnType<typeof parse>} values @param {Env} env @returns {Wanted} */
const readWanted = ({ target, threads, memory, seconds }, env) => ({
  targetMs: readTarget(target),
  threads:
    threads === undefined ? defaultThreads(env) : readInt('threads', threads, { min: 1, max: 256 }),
  memoryMiB:
    memory === undefined ? undefined : readInt('memory', memory, { min: 19, max: 4_194_304 }),
  forMs: 1000 * readInt('seconds', seconds, { min: 1, max: 600 }),
});

/** A line that moves, on a terminal only. @returns {(text: string) => void} */
const createProgress = () => {
  if (process.stderr.isTTY !== true) return () => {};
  return (text) => void process.stderr.write(`\r\x1b[K${text}`);
};

/** @param {Candidate} candidate */
const describe = ({ memory_kib, passes, together_ms }) =>
  `measured ${Math.round(memory_kib / 1024)} MiB, ${passes} passes: ${together_ms.toFixed(0)} ms`;

/** @param {Wanted} wanted @param {(text: string) => void} progress @returns {Promise<Findings>} */
const measure = async (wanted, progress) => {
  const script = join(projectRoot, 'dist/worker/calibrate.js');
  if (readIfThere(script) === undefined)
    throw new Refusal('Floodgate is not built here. Run `npm run build` first.');
  const child = spawn(process.execPath, [script, JSON.stringify(wanted)], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: {},
  });
  const gone = once(child, 'exit');
  progress('measuring');
  /** @type {Findings | undefined} */
  let findings;
  for await (const line of createInterface({ input: child.stdout })) {
    const { event, ...found } = JSON.parse(line);
    if (event === 'measured') progress(describe(found));
    if (event === 'done') findings = found;
  }
  await gone;
  if (findings === undefined) throw new Refusal('The measurement failed.');
  return findings;
};

/** What to print. Throws Refusal. @param {string[]} args @param {Env} env */
export const runCalibrate = async (args, env) => {
  const values = parse(args);
  if (values.help) return calibrateHelp;
  const wanted = readWanted(values, env);
  const progress = createProgress();
  const [load = 0] = loadavg();
  const { password, hash, ...findings } = await measure(wanted, progress);
  const chosen = findings.candidates[findings.recommended];
  const check = values['no-check']
    ? { left_out: 'not wanted' }
    : await checkByLogins({ ...wanted, chosen, password, hash, env, progress });
  progress('');
  const conditions = { target_ms: wanted.targetMs, threads: wanted.threads, load_before: load };
  const result = { ...conditions, ...findings, check };
  return values.json ? JSON.stringify(result, null, 2) : formatFindings(result);
};
