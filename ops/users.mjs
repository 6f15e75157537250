/**
 * `floodgate users`: import, export, and one user at a time, by the admin port. A password is read from
 * stdin and never is an argument, which everybody on the machine could read.
 */
import { createWriteStream, mkdtempSync, openSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createAdminCall } from './admin-call.mjs';
import { parseCommand, readJsonFile } from './input.mjs';
import { Refusal, UsageError } from './refusal.mjs';
import { runExport } from './users/export.mjs';
import { runImport } from './users/import.mjs';
import { mappings, parseMap } from './users/mappings.mjs';
import { patiently } from './users/patiently.mjs';
import { openSource, readHeader } from './users/source.mjs';
import { stateFile } from './users/state.mjs';

/** @typedef {import('./paths.mjs').Env} Env */
/** @typedef {import('./admin-call.mjs').AdminCall} AdminCall */
/** @typedef {Record<string, any>} Options */

const sources = Object.entries(mappings).map(
  ([name, { help }]) => `    ${name.padEnd(10)} ${help}`,
);

const usersHelp = `Usage: floodgate users <command>

  import FILE|-         a dry run: says what every line is, writes nothing
  import FILE --commit  writes what the dry run has seen
  export [FILE|-]       all users as NDJSON; their hashes too with --with-hashes
  show ID               one user; as JSON with --json
  disable ID            out at once and kept out
  enable ID             may sign in again
  delete ID             gone, with everything that was issued
  set-password ID       reads the new password from stdin; ends all sessions
  scopes ID "A B"       what the user may be granted, from the next sign-in on

  --login NAME          instead of ID: the user with this name

  --source NAME         the file is an export of:
${sources.join('\n')}
  --map A=B,C=D         or a CSV file: login=email,hash=password,id=id, …
  --set NAME=VALUE      of a source; may be repeated
  --header FILE         a header (JSON) for files that have none: defaults, keys, probe
  --on-conflict RULE    skip (default), or replace-imported: what an import wrote and nobody changed
  --commit              write; --digest D of the dry run where there is no state file (stdin)
  --resume              go on where a --commit stopped
  --results FILE        one line of NDJSON for each line of the file
  --state FILE          what is remembered between the runs (default: FILE.import-state.json)

Exit status of import: 0, 2 when some lines failed (or the command line is wrong: stdout is empty),
1 when it was refused or stopped.
`;

const options = /** @type {const} */ ({
  source: { type: 'string' },
  map: { type: 'string' },
  set: { type: 'string', multiple: true },
  header: { type: 'string' },
  'on-conflict': { type: 'string', default: 'skip' },
  commit: { type: 'boolean', default: false },
  digest: { type: 'string' },
  resume: { type: 'boolean', default: false },
  results: { type: 'string' },
  state: { type: 'string' },
  login: { type: 'string' },
  'with-hashes': { type: 'boolean', default: false },
  json: { type: 'boolean', default: false },
  help: { type: 'boolean', short: 'h' },
});

/** A batch may wait for several nodes. */
const batchMs = 40_000;
/** How long all of them may be away in the middle of a file, and while somebody sits and waits. */
const filePatienceMs = 60_000;
const patienceMs = 5000;

/** @param {string[]} pairs @param {readonly string[]} known */
const readSettings = (pairs, known) =>
  Object.fromEntries(
    pairs.map((pair) => {
      const [name = '', ...value] = pair.split('=');
      if (!known.includes(name) || value.length === 0)
        throw new UsageError(`--set takes ${known.join(', ') || 'nothing'} for this source.`);
      return [name, value.join('=')];
    }),
  );

/** @param {Options} values */
const readMapping = ({ source, map: columns, set = [] }) => {
  if (source !== undefined && columns !== undefined)
    throw new UsageError('--source and --map exclude each other.');
  if (columns !== undefined) {
    const map = parseMap(columns);
    if (map === undefined)
      throw new UsageError('--map must look like login=email,hash=password,id=id.');
    return map;
  }
  if (source === undefined) return undefined;
  const mapping = Object.hasOwn(mappings, source) ? mappings[source] : undefined;
  if (mapping === undefined)
    throw new UsageError(`--source is one of ${Object.keys(mappings).join(', ')}.`);
  const settings = readSettings(set, mapping.settings ?? []);
  return (/** @type {Record<string, any>} */ record) => mapping.map(record, settings);
};

/**
 * The secrets that the header names, as base64. Only the nodes' key ring may hold them: they are sent to
 * be recognised, not to be kept.
 * @param {Record<string, unknown>} keys @param {Env} env
 */
const readKeys = (keys, env) =>
  Object.fromEntries(
    Object.entries(keys).map(([name, place]) => {
      const [, form, variable = ''] = /^(env|env-b64):(\w+)$/.exec(String(place)) ?? [];
      const secret = env[variable];
      if (form === undefined || !secret)
        throw new Refusal(
          `keys.${name} in the header must be env:NAME (text) or env-b64:NAME (base64) of a variable that is set.`,
        );
      return [name, form === 'env' ? Buffer.from(secret).toString('base64') : secret];
    }),
  );

/**
 * stdin in a private file, because it is read more than once. It loses its name before anything is in
 * it, so that nothing stays behind, however this process ends. `/proc` opens it again and again.
 */
const spool = async () => {
  const dir = mkdtempSync(join(tmpdir(), 'floodgate-import-'));
  const fd = openSync(join(dir, 'users'), 'wx+', 0o600);
  rmSync(dir, { recursive: true });
  await pipeline(process.stdin, createWriteStream('', { fd, autoClose: false }));
  return `/proc/self/fd/${fd}`;
};

/** @param {Env} env @param {string} path @param {Options} values */
const importFile = async (env, path, values) => {
  const { source: name, map: columns, set, header: headerPath, digest, commit, resume } = values;
  const rules = { skip: 'insert', 'replace-imported': 'replace-imported' };
  const rule = Object.entries(rules).find(([known]) => known === values['on-conflict'])?.[1];
  if (rule === undefined) throw new UsageError('--on-conflict is skip or replace-imported.');
  const header =
    headerPath === undefined ? undefined : readHeader(readJsonFile(headerPath, 'a header'));
  const source = openSource(path, { map: readMapping(values), header });
  const isSpooled = values.isSpooled === true;
  const statePath = values.state ?? (isSpooled ? undefined : stateFile(path));
  const { text, hasFailures } = await runImport(
    {
      ...{ path, source, rule, statePath, resultsPath: values.results },
      reading: { name, columns, set, header: source.header },
      keys: readKeys(source.header.keys, env),
      call: patiently(createAdminCall(env, batchMs), filePatienceMs),
    },
    { isCommit: commit, isResume: resume, digest },
  );
  if (hasFailures) process.exitCode = 2;
  return text;
};

/** @param {Env} env @param {string} path @param {Options} values */
const importAny = async (env, path, values) =>
  path === '-'
    ? importFile(env, await spool(), { ...values, isSpooled: true })
    : importFile(env, path, values);

/** A line that the terminal does not show; '' when it is broken off (Ctrl-C, Ctrl-D). */
const readTyped = async () => {
  const output = new Writable({ write: (_, __, done) => done() });
  const hidden = { input: process.stdin, output, terminal: true, historySize: 0 };
  const lines = createInterface(hidden);
  // Only now: what is typed before the line editor is there would be shown.
  process.stderr.write('New password: ');
  const line = await new Promise((resolve) => {
    lines.once('line', resolve);
    lines.once('close', () => resolve(''));
  });
  lines.close();
  process.stderr.write('\n');
  return line;
};

/** What comes up to the first line end, whenever it comes; who writes need not close its end. */
const readPiped = async () => {
  let text = '';
  for await (const piece of process.stdin.setEncoding('utf8')) {
    text += piece;
    if (piece.includes('\n')) break;
  }
  return text.split(/\r?\n/, 1)[0] ?? '';
};

/** The line on stdin. */
const readPassword = async () => {
  const password = await (process.stdin.isTTY ? readTyped() : readPiped());
  if (password === '') throw new Refusal('The new password is read from stdin, and nothing came.');
  return password;
};

/** @param {Record<string, any>} user */
const describe = (user) =>
  Object.entries(user)
    .map(([name, value]) => `${name.padEnd(10)} ${value}`)
    .join('\n');

/** @type {Record<string, (call: AdminCall, id: string, extra: string[], values: Options) => Promise<string>>} */
const single = {
  show: async (call, id, _, { json, found }) => {
    const { username: __, ...state } = await call('GET', `/users/${encodeURIComponent(id)}`);
    const user = { ...found, ...state };
    return json ? JSON.stringify(user, null, 2) : describe(user);
  },
  disable: async (call, id) => {
    await call('POST', `/users/${encodeURIComponent(id)}/disable`);
    return `${id} is disabled; everything issued is refused everywhere.`;
  },
  enable: async (call, id) => {
    await call('POST', `/users/${encodeURIComponent(id)}/enable`);
    return `${id} may sign in again.`;
  },
  delete: async (call, id) => {
    await call('DELETE', `/users/${encodeURIComponent(id)}`);
    return `${id} is deleted; everything issued is refused everywhere.`;
  },
  'set-password': async (call, id) => {
    const password = await readPassword();
    await call('PUT', `/users/${encodeURIComponent(id)}/password`, { password });
    return `${id} has a new password; all sessions have ended.`;
  },
  scopes: async (call, id, [scopes]) => {
    if (scopes === undefined) throw new UsageError(usersHelp);
    await call('PATCH', `/users/${encodeURIComponent(id)}`, { scopes });
    return `${id} may be granted: ${scopes || 'nothing'}.`;
  },
};

/** What to print. Throws Refusal. @param {string[]} args @param {Env} env */
export const runUsers = async (args, env) => {
  const config = { args, allowPositionals: true, options };
  const { values, positionals } = parseCommand(config, usersHelp);
  const [command = '', ...rest] = positionals;
  if (values.help) return usersHelp;
  if (command === 'import' && rest.length === 1) return importAny(env, rest[0] ?? '', values);
  const admin = createAdminCall(env, batchMs);
  if (command === 'export' && rest.length < 2)
    return runExport(patiently(admin, filePatienceMs), rest[0] ?? '-', values['with-hashes']);
  const call = patiently(admin, patienceMs);
  const run = Object.hasOwn(single, command) ? single[command] : undefined;
  const expected = (command === 'scopes' ? 1 : 0) + (values.login === undefined ? 1 : 0);
  if (run === undefined || rest.length !== expected) throw new UsageError(usersHelp);
  if (values.login === undefined) return run(call, rest[0] ?? '', rest.slice(1), values);
  const found = await call('POST', '/users/find', { username: values.login });
  return run(call, found.user_id, rest, { ...values, found });
};
