/**
 * `floodgate migrate`: the campaign that wraps weak password hashes, by the admin port. The nodes do
 * the work, so this command may end at any time; `--watch` only looks.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { AdminError, callAdmin } from './admin-call.mjs';
import { parseCommand } from './input.mjs';
import { UsageError } from './refusal.mjs';
import { formatTable } from './table.mjs';

/** @typedef {import('./paths.mjs').Env} Env */
/** @typedef {Record<string, any>} Campaign */
/** @typedef {Record<string, string | boolean | undefined>} Options */

const migrateHelp = `Usage: floodgate migrate <command>

  start [options]   wrap every hash of class C, D and E in argon2id, on the nodes' spare capacity
  status            what is being done, or was done last; by format
  pause, resume     nodes stop within a second, and go on where they were
  share N           from now on, percent of each node's hash threads at most
  cancel            for good; what is wrapped stays wrapped

  --dry-run         only count
  --key ID          a key of PASSWORD_KEYS, for the wrapped records: demanded for class E (unsalted)
  --force           wrap class E without a key all the same, and a table of your own
                    (CREDENTIALS_SCHEMA=table) although its other programs cannot read what is
                    wrapped: they refuse those users until they have signed in here
  --share N         percent of each node's hash threads at most (default 10)
  --watch           show the progress until it ends; exit status 1 when it was refused or cancelled,
                    or hashes failed
  --json            status as JSON

A wrapped hash becomes plain argon2id when its user next signs in. Logins always go first.
`;

const options = /** @type {const} */ ({
  'dry-run': { type: 'boolean' },
  key: { type: 'string' },
  force: { type: 'boolean' },
  share: { type: 'string' },
  watch: { type: 'boolean' },
  json: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
});

/** @param {number} seconds */
const formatTime = (seconds) => {
  const parts = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  return parts.map((part) => String(part).padStart(2, '0')).join(':');
};

/** @param {Campaign} campaign */
const describeRefusal = ({ table, due_class_e }) =>
  table
    ? 'Nothing was wrapped: the hashes are in a table of your own, and only Floodgate reads wrapped ones, so\n' +
      'your other programs would refuse those users until they have signed in here. If nothing else checks\n' +
      'passwords there, use --force, with --key too: forced, hashes without salt (class E) demand none.'
    : `Nothing was wrapped: ${due_class_e} hashes have no salt (class E), so lists of such hashes from\n` +
      'elsewhere could be tried against them. Name a key of PASSWORD_KEYS with --key, or use --force.';

/** @param {Campaign} campaign */
const describeEnd = (campaign) => {
  const { status, dry_run, due, wrapped, changed, failed } = campaign;
  if (status === 'refused') return describeRefusal(campaign);
  if (dry_run) return `Dry run: ${due} of the hashes below are to be wrapped.`;
  const rest = `${changed} had changed meanwhile, ${failed} failed`;
  return `${status === 'done' ? 'Done' : 'Cancelled'}: ${wrapped} wrapped, ${rest}.`;
};

/** One line. @param {Campaign} campaign */
const describe = (campaign) => {
  const { status, seen, due, wrapped, changed, failed, per_second, seconds_left } = campaign;
  if (status === 'counting') return `counting: ${seen} users, ${Math.round(per_second)}/s`;
  if (status === 'paused') return `paused: ${wrapped} of ${due} wrapped`;
  if (status !== 'wrapping') return describeEnd(campaign);
  const settled = wrapped + changed + failed;
  const percent = due === 0 ? 100 : Math.min(100, Math.floor((100 * settled) / due));
  const left = seconds_left === null ? '' : `, ${formatTime(seconds_left)} left`;
  return `wrapping: ${settled} of ${due} (${percent} %), ${per_second}/s${left}`;
};

const columns = ['class', 'format', 'users', 'wrapped', 'changed', 'failed'];

/** @param {Campaign} campaign */
const formatFormats = ({ formats }) => {
  const rows = formats.map((/** @type {Campaign} */ row) =>
    [row.class, row.format, row.seen, row.wrapped, row.changed, row.failed].map(String),
  );
  return formatTable([columns, ...rows], { right: 2 });
};

/** @param {Campaign | null} campaign @param {Options} values */
const show = (campaign, { json }) => {
  if (json) return JSON.stringify({ campaign }, null, 2);
  if (campaign === null)
    return 'There has been no campaign. Count first: floodgate migrate start --dry-run';
  const nodes = campaign.nodes.length === 0 ? '' : `\nat work: ${campaign.nodes.join(', ')}`;
  return `${describe(campaign)}${nodes}\n\n${formatFormats(campaign)}`;
};

/** @param {Campaign | null} campaign */
const isOver = (campaign) =>
  campaign === null || ['done', 'refused', 'cancelled'].includes(campaign.status);

/** Whether a script that waited for its end should stop here. @param {Campaign | null} campaign */
const hasFailed = (campaign, /** @type {string} */ command) =>
  campaign !== null &&
  (campaign.status === 'refused' ||
    (campaign.status === 'cancelled' && command !== 'cancel') ||
    campaign.failed > 0);

/** @param {Env} env @returns {Promise<Campaign | null>} */
const read = async (env) => (await callAdmin(env, 'GET', '/campaigns')).campaign;

/** So many looks in a row may find nobody who can say: a busy gateway, or one that is started again. */
const maxMissed = 30;

/** @param {unknown} error */
const maySoonAnswer = (error) => error instanceof AdminError && [0, 503].includes(error.status);

/** A line that changes on a terminal, a new one every ten seconds elsewhere. @param {Env} env */
const watch = async (env) => {
  const { stderr } = process;
  let missed = 0;
  for (let round = 0; ; round++) {
    const campaign = await read(env).catch((error) => {
      // The campaign goes on without us.
      if (!maySoonAnswer(error) || ++missed > maxMissed) throw error;
      return undefined;
    });
    if (campaign === undefined) {
      await sleep(1000);
      continue;
    }
    missed = 0;
    if (campaign === null || isOver(campaign)) {
      if (stderr.isTTY) stderr.write('\r\x1b[K');
      return campaign;
    }
    if (stderr.isTTY) stderr.write(`\r\x1b[K${describe(campaign)}`);
    else if (round % 10 === 0) stderr.write(`${describe(campaign)}\n`);
    await sleep(1000);
  }
};

/** @type {Record<string, (env: Env, values: Options, argument?: string) => Promise<Campaign | null>>} */
const commands = {
  status: read,
  start: async (env, { 'dry-run': dryRun = false, force = false, key, share }) => {
    const wish = { dry_run: dryRun, force, key, share };
    return (await callAdmin(env, 'POST', '/campaigns', wish)).campaign;
  },
  pause: async (env) => (await callAdmin(env, 'POST', '/campaigns/pause')).campaign,
  resume: async (env) => (await callAdmin(env, 'POST', '/campaigns/resume')).campaign,
  cancel: async (env) => (await callAdmin(env, 'POST', '/campaigns/cancel')).campaign,
  share: async (env, _, share) =>
    (await callAdmin(env, 'POST', '/campaigns/share', { share })).campaign,
};

/** What to print. Throws Refusal. @param {string[]} args @param {Env} env */
export const runMigrate = async (args, env) => {
  const config = { args, allowPositionals: true, options };
  const { values, positionals } = parseCommand(config, migrateHelp);
  const [command = '', argument, ...rest] = positionals;
  if (values.help) return migrateHelp;
  const run = Object.hasOwn(commands, command) ? commands[command] : undefined;
  const isComplete = (command === 'share') === (argument !== undefined) && rest.length === 0;
  if (run === undefined || !isComplete) throw new UsageError(migrateHelp);
  const campaign = await run(env, values, argument);
  // Some are refused before they begin.
  if (command === 'start' && hasFailed(campaign, command)) process.exitCode = 1;
  if (!values.watch) return show(campaign, values);
  const ended = isOver(campaign) ? campaign : await watch(env);
  if (hasFailed(ended, command)) process.exitCode = 1;
  return show(ended, values);
};
