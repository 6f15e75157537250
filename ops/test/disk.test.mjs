/** Logs that grow, and full disks: a limit on file sizes (ulimit) fails like them, for any user. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { launchChild } from '../children.mjs';
import { openLog, rotateLogs } from '../logs.mjs';
import { cramped, makeDir, realRoot, until } from './project.mjs';

const module = (name) => JSON.stringify(join(realRoot, 'ops', name));
const linesOf = (path) => readFileSync(path, 'utf8').trimEnd().split('\n');

t.test('what a program writes after a rotation begins a new file', async (t) => {
  const logs = makeDir(t);
  const path = join(logs, 'writer.log');
  const script = join(makeDir(t), 'writer.mjs');
  // One line for each SIGUSR2: a log that grows on request.
  writeFileSync(
    script,
    `let n = 0;
     process.on('SIGUSR2', () => console.log('line ' + n++));
     process.on('disconnect', () => process.exit(0));
     process.send('ready');`,
  );
  const { identity, ready } = await launchChild({
    script,
    env: process.env,
    log: openLog({ logs }, 'writer'),
  });
  await ready;
  t.teardown(() => process.kill(identity.pid, 'SIGKILL'));
  const write = async (text) => {
    process.kill(identity.pid, 'SIGUSR2');
    await until(() => linesOf(path).at(-1) === text, text);
  };
  for (const text of ['line 0', 'line 1', 'line 2']) await write(text);
  rotateLogs({ logs }, 100);
  t.equal(linesOf(path).length, 3, 'a small one is left alone');
  rotateLogs({ logs }, 10);
  t.same(linesOf(`${path}.1`), ['line 0', 'line 1', 'line 2']);
  t.equal(statSync(path).size, 0);
  await write('line 3');
  t.equal(readFileSync(path, 'utf8'), 'line 3\n', 'from the beginning');
  await write('line 4');
  rotateLogs({ logs }, 10);
  t.same(linesOf(`${path}.1`), ['line 3', 'line 4'], 'one older generation is kept');
});

t.test('no room for a copy: the newest lines stay, the rest goes', async (t) => {
  const logs = makeDir(t);
  const path = join(logs, 'gateway.log');
  const count = 300_000;
  writeFileSync(path, Array.from({ length: count }, (_, i) => `line ${i}\n`).join(''));
  const code = `
    const { rotateLogs } = await import(${module('logs.mjs')});
    rotateLogs({ logs: process.argv[1] }, 1000);
    console.log('alive');`;
  const [file, args] = cramped(4000, '--input-type=module', '-e', code, logs);
  const { stdout, stderr } = spawnSync(file, args, { encoding: 'utf8' });
  t.equal(stdout, 'alive\n', stderr);
  t.notOk(existsSync(`${path}.1`));
  t.ok(statSync(path).size <= 1024 * 1024);
  const lines = linesOf(path);
  t.equal(lines.at(-1), `line ${count - 1}`);
  t.ok(lines.length > 1000);
  t.match(lines[0], /^line \d+$/, 'whole lines');
});

t.test('a file that could not be written leaves nothing behind', async (t) => {
  const dir = makeDir(t);
  const path = join(dir, 'file');
  writeFileSync(path, 'before');
  const code = `
    const { createOnce, replaceFile } = await import(${module('files.mjs')});
    for (const write of [replaceFile, createOnce])
      try { write(process.argv[1], 'after'); } catch (e) { console.log(e.code, e.path); }`;
  const [file, args] = cramped(0, '--input-type=module', '-e', code, path);
  t.equal(spawnSync(file, args, { encoding: 'utf8' }).stdout, `EFBIG ${path}\n`.repeat(2));
  t.same(readdirSync(dir), ['file']);
  t.equal(readFileSync(path, 'utf8'), 'before');
});

t.test('an export and the results of an import are written whole, or it is said', async (t) => {
  const dir = makeDir(t);
  const code = `
    const { runExport } = await import(${module('users/export.mjs')});
    const { openResults } = await import(${module('users/results.mjs')});
    const [dir] = process.argv.slice(1);
    const rows = Array.from({ length: 100 }, (_, at) => ({ user_id: 'u' + at, name: 'n' + at }));
    const items = rows.map((_, at) => ({ line: at + 1 }));
    const page = async () => ({ rows, cursor: '' });
    const results = () => {
      const { write, bytes } = openResults(dir + '/results');
      for (const at of [0, 50]) write({ items: items.slice(at, at + 50), results: [], sent: [], ids: [] });
      return bytes();
    };
    for (const run of [() => runExport(page, dir + '/export', false), async () => results()])
      console.log(await run().catch((error) => error.code));`;
  const run = (blocks, name) => {
    const path = join(dir, name);
    mkdirSync(path);
    const [file, args] = cramped(blocks, '--input-type=module', '-e', code, path);
    const { stdout } = spawnSync(file, args, { encoding: 'utf8' });
    return { stdout, lines: (kind) => linesOf(join(path, kind)).map((line) => JSON.parse(line)) };
  };
  const { stdout, lines } = run(100, 'wide');
  t.equal(stdout, '100 users are exported, without hashes.\n2192\n');
  t.equal(lines('export').length, 101);
  t.strictSame(
    lines('results').map(({ line }) => line),
    Array.from({ length: 100 }, (_, at) => at + 1),
  );
  t.equal(run(3, 'narrow').stdout, 'EFBIG\nEFBIG\n');
});

t.test('an import whose results have no room goes on where they ended', async (t) => {
  const dir = makeDir(t);
  const path = join(dir, 'users');
  const [statePath, resultsPath] = [join(dir, 'state'), join(dir, 'results')];
  writeFileSync(path, '');
  const code = `
    const { runImport } = await import(${module('users/import.mjs')});
    const { explain } = await import(${module('refusal.mjs')});
    const [path, statePath, resultsPath, isCommit, isResume] = JSON.parse(process.argv[1]);
    const source = {
      header: { defaults: {}, keys: {} },
      pages: async function* () {
        yield Array.from({ length: 600 }, (_, at) => ({ line: at + 1, text: 'x' }));
      },
    };
    const prints = Buffer.alloc(16 * 600).toString('base64');
    const call = async () => ({ results: [], disabled: 0, prints, ids: [] });
    const files = { path, statePath, resultsPath: isCommit ? resultsPath : undefined };
    const given = { ...files, source, call, reading: {}, rule: '', keys: {} };
    const said = await runImport(given, { isCommit, isResume }).catch(explain);
    console.log(said.text ?? said);`;
  const run = (blocks, isCommit, isResume) => {
    const given = JSON.stringify([path, statePath, resultsPath, isCommit, isResume]);
    const [file, args] = cramped(blocks, '--input-type=module', '-e', code, given);
    return spawnSync(file, args, { encoding: 'utf8' }).stdout;
  };
  t.match(run(100, false, false), /lines +600/);
  // Room for the first batch, of 500 lines.
  const stopped = run(24, true, false);
  t.match(stopped, `${resultsPath} cannot be used (EFBIG)`);
  t.notMatch(stopped, '    at ');
  t.match(JSON.parse(readFileSync(statePath, 'utf8')).written, { lines: 500, through: 500 });
  t.match(run(100, true, true), /lines +600\n +good +600\n/);
  t.equal(linesOf(resultsPath).length, 600);
});

t.test('what cannot be used is named, with what to do and without a stack', async (t) => {
  for (const args of [['start.mjs'], ['floodgate.mjs', 'init'], ['node-app.mjs']]) {
    const [program = '', ...more] = args;
    const dataDir = join(makeDir(t), 'data');
    const env = { PATH: process.env.PATH, DATA_DIR: dataDir, XDG_RUNTIME_DIR: makeDir(t) };
    const [file, argv] = cramped(0, join(realRoot, 'ops', program), ...more);
    const { status, stderr } = spawnSync(file, argv, { encoding: 'utf8', env });
    t.equal(status, 1, program);
    t.match(stderr, `${join(dataDir, 'runtime-dir')} cannot be used (EFBIG)`);
    t.match(stderr, /ulimit -f/);
    t.notMatch(stderr, '    at ');
  }
});
