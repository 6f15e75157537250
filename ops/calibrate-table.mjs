/** What `floodgate calibrate` prints for people: the candidates, the settings to copy, the check. */
import { formatTable } from './table.mjs';

/** @typedef {import('./calibrate-load.mjs').Check} Check */
/**
 * @typedef {{ memory_kib: number, passes: number, lanes: number, alone_ms: number, together_ms: number,
 *   per_second: number, memory_bytes: number, burst_budget_ms: number, sustained_budget_ms: number
 * }} Candidate
 */
/**
 * @typedef {{ target_ms: number, threads: number, load_before: number, candidates: Candidate[],
 *   recommended: number, check: Check }} Result
 */

const mib = 1024 * 1024;
/** Of the machine's load average: more than an idle system has. */
const busyLoad = 0.5;

/** @param {number} value */
const ms = (value) => `${value.toFixed(value < 100 ? 1 : 0)} ms`;

/** @param {Candidate} candidate */
const name = ({ memory_kib, passes }) => `${+(memory_kib / 1024).toFixed(1)} MiB, ${passes} passes`;

/** @param {Candidate} candidate @param {boolean} isChosen */
const row = (candidate, isChosen) => [
  `${isChosen ? '→' : ' '} ${name(candidate)}`,
  ms(candidate.alone_ms),
  ms(candidate.together_ms),
  candidate.per_second.toFixed(1),
  `${Math.round(candidate.memory_bytes / mib)} MiB`,
  ms(candidate.burst_budget_ms),
  ms(candidate.sustained_budget_ms),
];

const head = [
  '  argon2id',
  'one alone',
  'all threads',
  'hashes/s',
  'memory',
  'waits, burst',
  'waits, steady',
];

/** @param {Check} check */
const formatCheck = (check) => {
  if ('left_out' in check) return `Not checked with logins: ${check.left_out}.`;
  const { rate, sent, ok, p50_ms, p99_ms, refused, failed } = check;
  return (
    `Checked with ${sent} logins at a real node, ${rate.toFixed(1)} a second (70 %), open loop:\n` +
    `  ${ok} signed in, p50 ${ms(p50_ms)}, p99 ${ms(p99_ms)}, ${refused} refused (503), ${failed} failed`
  );
};

/** @param {Result} result @param {Candidate} chosen */
const formatNotes = ({ target_ms, load_before }, chosen) => {
  const isTooSlow = chosen.together_ms > target_ms;
  const slow = `Even the minimum takes longer than ${target_ms} ms here; weaker settings are refused.\n`;
  const busy = `Others used this machine (load ${load_before.toFixed(1)}): measure again when it is idle.\n`;
  return `${isTooSlow ? slow : ''}${load_before > busyLoad ? busy : ''}`;
};

/** @param {Result} result */
export const formatFindings = (result) => {
  const { target_ms, threads, candidates, recommended, check } = result;
  const chosen = candidates[recommended];
  if (chosen === undefined) return '';
  const count = threads === 1 ? '1 hash thread' : `${threads} hash threads`;
  return `This machine, ${count}, at most ${target_ms} ms a hash with all of them at work:

${formatTable([head, ...candidates.map((one, at) => row(one, at === recommended))], { right: 1 })}

${formatNotes(result, chosen)}The settings of every node, for new hashes (old ones follow at their next login):

ARGON2_MEMORY_KIB=${chosen.memory_kib}
ARGON2_PASSES=${chosen.passes}
ARGON2_LANES=${chosen.lanes}

hashes/s bounds the logins a second; waits: how long a login may queue before it is refused.
${formatCheck(check)}`;
};
