/**
 * `npm test`: everything a change must pass: build, types, style, then all tests. All of them run, so
 * one fault does not hide the next. The last line is `N passed, N failed`, counted in test points; a
 * step that fails beside the tests counts as one failure. Needs no terminal.
 * Arguments are test files; without any, all files `test/**` named `*.test.ts` or `*.test.mjs`, but
 * those in a folder `tiny`: every bench once, small (`npm run test:bench`).
 */
import { spawn, spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { readIfThere } from './files.mjs';
import { ensureInstalled } from './install.mjs';
import { projectRoot as root } from './paths.mjs';
import { ensureRedisBinary } from './redis-binary.mjs';
import { Refusal } from './refusal.mjs';

const folders = ['shared', 'worker', 'gateway', 'client', 'ops', 'bench', 'sim'];
const fileTimeoutSeconds = 180;

/** @param {string} text */
const say = (text) => console.log(text);

const listTests = () =>
  folders
    .flatMap((folder) =>
      readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' }).map((path) =>
        join(folder, path),
      ),
    )
    .filter((path) => /\/test\/.*\.test\.(ts|mjs)$/.test(path) && !path.includes('/tiny/'))
    .sort();

/** @param {string} label @param {string[]} command */
const runCheck = (label, [file = '', ...args]) => {
  const startedAt = performance.now();
  const { status } = spawnSync(file, args, { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] });
  const took = ((performance.now() - startedAt) / 1000).toFixed(1);
  say(`${status === 0 ? 'ok' : 'FAILED'}  ${label} (${took} s)`);
  return status === 0;
};

/** tap compiles its plugin list into its own package; ours leaves one out (.taprc). */
const isTapBuilt = () => {
  const built = readIfThere(join(root, 'node_modules/@tapjs/test/test-built/dist/esm/index.js'));
  return built !== undefined && !built.includes('@tapjs/typescript');
};

/**
 * Reads tap's output: one line per file that passes, the whole story without its passing lines for one
 * that fails. Resolves to the totals that tap prints at the end.
 * @param {NodeJS.ReadableStream} stream
 */
const report = async (stream) => {
  const totals = { pass: 0, fail: 0, skip: 0, todo: 0 };
  /** @type {string[]} */
  let story = [];
  let isExplaining = false; // inside what follows a file's failure
  for await (const line of createInterface({ input: stream })) {
    const file = /^(not )?ok \d+ - (\S+)(?: # time=(.*))?$/.exec(line);
    if (/^(# Subtest|(not )?ok )/.test(line)) isExplaining = false;
    const sum = /^# \{ (total: .*) \}$/.exec(line);
    if (sum) {
      for (const [, name, count] of (sum[1] ?? '').matchAll(/(\w+): (\d+)/g))
        Object.assign(totals, { [name ?? '']: Number(count) });
    } else if (file) {
      say(`${file[1] ? 'FAILED' : 'ok'}  ${file[2]}${file[3] ? ` (${file[3]})` : ''}`);
      if (file[1]) say(story.join('\n'));
      isExplaining = file[1] !== undefined;
      story = [];
    } else if (isExplaining) say(line);
    else if (!/^\s*(ok \d|$)/.test(line)) story.push(line);
  }
  return totals;
};

/** @param {string[]} files */
const runTests = async (files) => {
  const tap = join(root, 'node_modules/.bin/tap');
  const options = ['--disable-coverage', '--allow-incomplete-coverage', '--allow-empty-coverage'];
  const child = spawn(
    tap,
    [...options, '--reporter=tap', '--jobs=2', `--timeout=${fileTimeoutSeconds}`, ...files],
    { cwd: root, stdio: ['ignore', 'pipe', 'inherit'] },
  );
  const ended = new Promise((resolve) => child.once('close', resolve));
  const totals = await report(child.stdout);
  const code = await ended;
  // A run that broke without naming a failed point is a failure all the same.
  if (code !== 0 && totals.fail === 0) totals.fail = 1;
  return totals;
};

const main = async () => {
  await ensureInstalled({ say, needsDev: true });
  await ensureRedisBinary({ searchPath: process.env.PATH ?? '', say });
  const checks = [
    runCheck('build', [process.execPath, 'ops/build.mjs']),
    runCheck('typecheck', ['npm', 'run', '--silent', 'typecheck']),
    runCheck('lint', ['npm', 'run', '--silent', 'lint']),
    isTapBuilt() || runCheck('tap build', [join(root, 'node_modules/.bin/tap'), 'build']),
  ];
  const given = process.argv.slice(2);
  const totals = await runTests(given.length > 0 ? given : listTests());
  const failed = totals.fail + checks.filter((isOk) => !isOk).length;
  const skipped = totals.skip + totals.todo;
  say(`${totals.pass} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`);
  process.exitCode = failed > 0 ? 1 : 0;
};

try {
  await main();
} catch (error) {
  console.error(error instanceof Refusal ? error.message : error);
  say('0 passed, 1 failed');
  process.exitCode = 1;
}
