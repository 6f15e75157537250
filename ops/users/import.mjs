/**
 * `floodgate users import`: a dry run reads the whole file as a node would and says what every line is;
 * `--commit` writes it, and only the file that the dry run has seen. Stopped at any point, `--resume`
 * goes on behind the last line that is known to be written; lines written but not known find themselves.
 */
import { statSync } from 'node:fs';
import { Refusal } from '../refusal.mjs';
import { runPass } from './pass.mjs';
import { createProgress, formatCount } from './progress.mjs';
import { openResults } from './results.mjs';
import { createSeen } from './seen.mjs';
import { digestOf, readState, writeState } from './state.mjs';

/**
 * @typedef {import('./source.mjs').Item} Item
 * @typedef {import('./pass.mjs').Answered} Answered
 * @typedef {import('./state.mjs').Counts} Counts
 * @typedef {import('./state.mjs').State} State
 * @typedef {Record<string, any>} Result
 * @typedef {{
 *   path: string,
 *   source: ReturnType<typeof import('./source.mjs').openSource>,
 *   reading: object,
 *   rule: string,
 *   keys: Record<string, string>,
 *   call: import('../admin-call.mjs').AdminCall,
 *   statePath: string | undefined,
 *   resultsPath: string | undefined,
 * }} Import
 */

const saveEveryMs = 1000;
const maxRepeats = 100_000;
const shownFailures = 10;

/** @returns {Counts} */
const noCounts = () => ({ lines: 0, ok: 0, disabled: 0, failed: 0, codes: {} });

/** @param {Counts} counts @param {Answered} answered */
const count = (counts, { items, results, disabled }) => {
  const lines = items.length;
  const failed = results.filter((result) => !result.ok).length;
  counts.lines += lines;
  counts.failed += failed;
  counts.disabled += disabled;
  counts.ok += lines - failed;
  for (const { code, also = [] } of results)
    for (const each of [code, ...also.map((/** @type {Result} */ one) => one.code)])
      counts.codes[each] = (counts.codes[each] ?? 0) + 1;
};

/** What a dry run says of a line that names an account once more. @param {Result[]} results @param {Result} repeat */
const addRepeat = (results, repeat) => {
  const { code, field, message } = repeat;
  const at = results.findIndex((result) => result.line >= repeat.line);
  const there = at === -1 ? undefined : results[at];
  if (there === undefined) results.push(repeat);
  else if (there.line !== repeat.line) results.splice(at, 0, repeat);
  else {
    there.ok = false;
    there.also = [...(there.also ?? []), { code, field, message }];
  }
};

const repeatOf = (
  /** @type {number} */ line,
  /** @type {string} */ code,
  /** @type {number} */ first,
) => ({
  ...{ line, ok: false, code, field: code === 'E_DUPLICATE_ID' ? 'id' : 'login' },
  message: `Line ${first} has the same ${code === 'E_DUPLICATE_ID' ? 'id' : 'login'}.`,
});

/** @param {Import} options */
const headOf = ({ source, rule, keys, resultsPath }) => ({
  ...{ rule, keys, defaults: source.header.defaults },
  ids: resultsPath !== undefined,
});

/** @param {Import} options @param {string} what @param {(meter: { bytes: number }) => AsyncIterable<Item[]>} pages */
const measured = ({ path }, what, pages) => {
  const meter = { bytes: 0 };
  const size = Math.max(1, statSync(path).size);
  const progress = createProgress(what);
  return {
    pages: pages(meter),
    show: (/** @type {number} */ rows) => progress.show(rows, meter.bytes / size),
    end: progress.end,
  };
};

/** @param {string | undefined} probe */
const checkProbe = (probe) => {
  if (probe === 'wrong')
    throw new Refusal(
      'The password of the probe does not match what was read for it: a salt order, an encoding or a ' +
        'key is wrong. Nothing was written.',
    );
};

/** Reads everything and writes nothing. @param {Import} options @param {string} digest */
const dryRun = async (options, digest) => {
  const { source, call, resultsPath } = options;
  const { probe } = source.header;
  const counts = noCounts();
  /** @type {State['dry']['repeats']} */
  const repeats = [];
  /** @type {Result[]} */
  const failures = [];
  const seenLogins = createSeen();
  const seenIds = createSeen();
  const results = openResults(resultsPath);
  const { pages, show, end } = measured(options, 'checking', source.pages);
  /** @type {[number, number] | undefined} */
  let probed;

  /** @param {Answered} answered */
  const findRepeats = (answered) => {
    for (const [at, { line }] of answered.sent.entries()) {
      const login = seenLogins(answered.prints, 16 * at, line);
      const id = seenIds(answered.prints, 16 * at + 8, line);
      if (login !== undefined) repeats.push([line, 'E_DUPLICATE_LOGIN', login]);
      else if (id !== undefined) repeats.push([line, 'E_DUPLICATE_ID', id]);
      else continue;
      const [own = 0, code = '', first = 0] = repeats.at(-1) ?? [];
      addRepeat(answered.results, repeatOf(own, code, first));
    }
    if (repeats.length > maxRepeats)
      throw new Refusal(`More than ${formatCount(maxRepeats)} lines name an account once more.`);
  };

  await runPass({
    pages,
    call,
    head: { ...headOf(options), write: false, ...(probe === undefined ? {} : { probe }) },
    take: (answered) => {
      checkProbe(answered.probe);
      const { items } = answered;
      if (answered.probe === 'right') probed = [items[0]?.line ?? 0, items.at(-1)?.line ?? 0];
      findRepeats(answered);
      count(counts, answered);
      results.write(answered);
      const room = shownFailures - failures.length;
      if (room > 0) failures.push(...answered.results.filter((each) => !each.ok).slice(0, room));
      show(counts.lines);
    },
  }).finally(end);
  if (probe !== undefined && probed === undefined)
    throw new Refusal('The user of the probe is not in the file, or its line has a problem.');
  results.close();
  /** @type {State} */
  const state = { version: 1, digest, dry: { ...counts, ...(probed ? { probed } : {}), repeats } };
  return { state, failures };
};

/** The pages without what is done, and with what the dry run said of some. @param {AsyncIterable<Item[]>} pages @param {State} state @param {number} through */
async function* toDo(pages, state, through) {
  const repeats = new Map(state.dry.repeats.map(([line, code, first]) => [line, { code, first }]));
  for await (const page of pages)
    yield page
      .filter(({ line }) => line > through)
      .map((item) => {
        const repeat = repeats.get(item.line);
        return repeat === undefined ? item : { ...repeatOf(item.line, repeat.code, repeat.first) };
      });
}

/** @param {AsyncIterable<Item[]>} pages @param {[number, number]} lines @returns {AsyncGenerator<Item[]>} */
async function* only(pages, [from, to]) {
  for await (const page of pages) {
    yield page.filter(({ line }) => line >= from && line <= to);
    if ((page.at(-1)?.line ?? 0) >= to) return;
  }
}

/** The probe once more, before anything is written. @param {Import} options @param {State} state */
const probeAgain = async (options, state) => {
  const { probe } = options.source.header;
  if (probe === undefined || state.dry.probed === undefined) return;
  let isRight = false;
  await runPass({
    pages: only(options.source.pages({ bytes: 0 }), state.dry.probed),
    call: options.call,
    head: { ...headOf(options), write: false, probe },
    take: (answered) => {
      checkProbe(answered.probe);
      isRight ||= answered.probe === 'right';
    },
  });
  if (!isRight) checkProbe('wrong');
};

/** @param {Import} options @param {State} state @param {boolean} isResume */
const commit = async (options, state, isResume) => {
  await probeAgain(options, state);
  const begin = isResume ? state.written : undefined;
  const written = begin ?? { ...noCounts(), through: 0, resultBytes: 0, isDone: false };
  state.written = written;
  const { source, call, resultsPath, statePath } = options;
  const results = openResults(resultsPath, begin?.resultBytes ?? 0);
  let savedAt = 0;
  const save = () => {
    savedAt = performance.now();
    if (statePath !== undefined) writeState(statePath, state);
  };
  save();
  const { through } = written;
  const { pages, show, end } = measured(options, 'writing', (meter) =>
    toDo(source.pages(meter), state, through),
  );
  /** @type {Result[]} */
  const failures = [];
  try {
    await runPass({
      pages,
      call,
      head: { ...headOf(options), write: true },
      take: (answered) => {
        // Before they are counted: where this fails, --resume comes to these lines again.
        results.write(answered);
        count(written, answered);
        written.through = answered.items.at(-1)?.line ?? written.through;
        written.resultBytes = results.bytes();
        const room = shownFailures - failures.length;
        if (room > 0) failures.push(...answered.results.filter((each) => !each.ok).slice(0, room));
        if (performance.now() - savedAt > saveEveryMs) save();
        show(written.lines);
      },
    });
    written.isDone = true;
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    const next = statePath === undefined ? 'Run it again' : 'Go on with --commit --resume';
    throw new Refusal(`Stopped after line ${written.through}. ${error.message} ${next}.`);
  } finally {
    end();
    save();
    results.close();
  }
  return { state, failures };
};

/** @param {Counts} counts @param {Result[]} failures */
const describe = ({ lines, ok, disabled, failed, codes }, failures) => {
  const rows = [
    ['lines', formatCount(lines)],
    ['good', formatCount(ok)],
    ['  disabled', formatCount(disabled)],
    ['failed', formatCount(failed)],
    ...Object.entries(codes)
      .sort()
      .map(([code, n]) => [`  ${code}`, formatCount(n)]),
  ];
  const width = Math.max(...rows.map(([name = '']) => name.length));
  const figures = rows.map(([name = '', n = '']) => `  ${name.padEnd(width)}  ${n.padStart(12)}`);
  const first = failures.map(({ line, code, field, message }) => {
    const where = field === undefined ? '' : ` (${field})`;
    return `  line ${line}: ${code}${where}: ${message}`;
  });
  return [...figures, ...(first.length > 0 ? ['', 'First of them:', ...first] : [])].join('\n');
};

/**
 * What to print, and whether lines failed. Throws Refusal.
 * @param {Import} options
 * @param {{ isCommit: boolean, isResume: boolean, digest?: string | undefined }} wish
 * @returns {Promise<{ text: string, hasFailures: boolean }>}
 */
export const runImport = async (options, { isCommit, isResume, digest: expected }) => {
  const { path, reading, statePath } = options;
  const digest = await digestOf(path, reading);
  if (!isCommit) {
    const { state, failures } = await dryRun(options, digest);
    if (statePath !== undefined) writeState(statePath, state);
    const { dry } = state;
    const next = `Digest of this dry run: ${digest}\nNothing was written; the same command with --commit writes.`;
    return { text: `${describe(dry, failures)}\n\n${next}`, hasFailures: dry.failed > 0 };
  }
  if (expected !== undefined && expected !== digest)
    throw new Refusal(
      'This is not the file of the dry run with that digest, or it is read in another way. Nothing was written.',
    );
  const known = statePath === undefined ? undefined : readState(statePath);
  if (known === undefined && expected === undefined)
    throw new Refusal('There was no dry run of this file: run it without --commit first.');
  if (known !== undefined && known.digest !== digest)
    throw new Refusal(
      'The file, or the way it is read, has changed since the dry run. Run it without --commit again.',
    );
  const { written } = known ?? {};
  if (written !== undefined && !written.isDone && !isResume)
    throw new Refusal(
      `An import of this file stopped after line ${written.through}: go on with --resume.`,
    );
  const state = known ?? (await dryRun({ ...options, resultsPath: undefined }, digest)).state;
  const { failures } = await commit(options, state, isResume);
  const counts = state.written ?? noCounts();
  return { text: `${describe(counts, failures)}\n\nWritten.`, hasFailures: counts.failed > 0 };
};
