/**
 * `npm run build`: makes dist/ and leaves the stamp by which `npm start` sees that the build is as new as
 * the sources. Each program becomes a few files with the packages that it uses: to load hundreds one by one
 * was most of a start (an edge until it served: 0.52 s of CPU, now 0.19), and who starts takes processors from
 * those that serve. Types are not looked at here (`npm run typecheck`). With --if-outdated: only if need be.
 */
import { spawnSync } from 'node:child_process';
import {
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { build } from 'esbuild';
import { isBuilt, stampBuild } from './install.mjs';
import { projectRoot } from './paths.mjs';

/**
 * What is a process or a thread, by its place in dist/. Each program has a folder for itself and its chunks, so
 * that a thread's file stands beside the code that starts it.
 * @type {Record<string, Record<string, string>>}
 */
const programs = {
  gateway: { main: 'gateway/main.ts' },
  worker: {
    main: 'worker/main.ts',
    task: 'worker/passwords/task.ts',
    'watchdog-thread': 'worker/watchdog-thread.ts',
    calibrate: 'worker/calibrate.ts',
    work: 'worker/passwords/work.ts', // for the benches
  },
};
/** Native code, and what starts threads from files of its own. */
const external = ['@node-rs/*', 'koffi', 'pg-native', 'piscina'];
const draftMs = 60_000;
/** CommonJS packages ask for Node's own modules by it. */
const banner = `import { createRequire as createOwnRequire } from 'node:module';
const require = createOwnRequire(import.meta.url);`;

/** Whole files only, for whoever starts just now. @param {{ path: string, contents: Uint8Array }} file */
const put = ({ path, contents }) => {
  const draft = `${path}.${process.pid}.new`;
  writeFileSync(draft, contents);
  renameSync(draft, path);
};

/** What another build is writing just now; what one left behind that was killed is old. @param {string} path */
const isDraft = (path) => {
  const { mtimeMs = 0 } = statSync(path, { throwIfNoEntry: false }) ?? {};
  return path.endsWith('.new') && Date.now() - mtimeMs < draftMs;
};

/**
 * With `splitting`: in a single file, what is imported later would be wrapped in functions, where V8 cannot take
 * a constant for one (4 % more CPU for each login at an edge).
 * @param {string} name
 */
const bundle = async (name) => {
  const folder = join(projectRoot, 'dist', name);
  const { outputFiles } = await build({
    absWorkingDir: projectRoot,
    entryPoints: programs[name] ?? {},
    outdir: folder,
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node20.19',
    external,
    banner: { js: banner },
    sourcemap: true,
    logLevel: 'warning',
    write: false,
  });
  mkdirSync(folder, { recursive: true });
  const wanted = new Map(outputFiles.map((file) => [basename(file.path), file]));
  // The chunks before those who name them, and the former chunks go last.
  const isEntry = (/** @type {string} */ file) =>
    file.replace(/\.js(\.map)?$/, '') in (programs[name] ?? {});
  for (const [file, output] of wanted) if (!isEntry(file)) put(output);
  for (const [file, output] of wanted) if (isEntry(file)) put(output);
  for (const file of readdirSync(folder)) {
    const path = join(folder, file);
    if (!wanted.has(file) && !isDraft(path)) rmSync(path, { recursive: true, force: true });
  }
};

/** The client library apart: for browsers, with its types, and as a package of its own to be installed. */
const buildClient = () => {
  const command = ['node_modules/typescript/bin/tsc', '-p', 'client/tsconfig.json'];
  const { status } = spawnSync(process.execPath, command, { cwd: projectRoot, stdio: 'inherit' });
  if (status !== 0) throw new Error('the client library was not built');
  const { name, version, license, type, engines } = JSON.parse(
    readFileSync(join(projectRoot, 'package.json'), 'utf8'),
  );
  const exports = { './client': { types: './main.d.ts', default: './main.js' } };
  const text = JSON.stringify({ name, version, license, type, engines, exports }, null, 2);
  put({ path: join(projectRoot, 'dist/client/package.json'), contents: Buffer.from(`${text}\n`) });
};

const buildAll = async () => {
  const writeStamp = stampBuild();
  await Promise.all(Object.keys(programs).map(bundle));
  buildClient();
  writeStamp();
};

try {
  if (!process.argv.includes('--if-outdated') || !isBuilt()) await buildAll();
} catch (error) {
  // Both compilers have said what is wrong.
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
