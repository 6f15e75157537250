/**
 * `npm run build`: makes dist/ and leaves the stamp by which `npm start` sees that the build is as new as
 * the sources. Each program becomes one file with the packages that it uses: to load hundreds of files one by
 * one was most of a start (an edge until it served: 0.52 s of CPU, from one file 0.19), and who starts takes
 * processors from those that serve. Types are not looked at here (`npm run typecheck`).
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { build } from 'esbuild';
import { stampBuild } from './install.mjs';
import { projectRoot } from './paths.mjs';

/** What is a process or a thread, by its place in dist/: a thread's file stands beside that of its program. */
const entries = {
  'gateway/main': 'gateway/main.ts',
  'worker/main': 'worker/main.ts',
  'worker/task': 'worker/passwords/task.ts',
  'worker/watchdog-thread': 'worker/watchdog-thread.ts',
  'worker/calibrate': 'worker/calibrate.ts',
  'worker/work': 'worker/passwords/work.ts', // for the benches
};
/** Native code, and what starts threads from files of its own. */
const external = ['@node-rs/*', 'koffi', 'pg-native', 'piscina'];
/** CommonJS packages ask for Node's own modules by it. */
const banner = `import { createRequire as createOwnRequire } from 'node:module';
const require = createOwnRequire(import.meta.url);`;

/** Whole files only, for whoever starts just now. @param {{ path: string, contents: Uint8Array }} file */
const put = ({ path, contents }) => {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(`${path}.new`, contents);
  renameSync(`${path}.new`, path);
};

const bundle = async () => {
  const { outputFiles } = await build({
    absWorkingDir: projectRoot,
    entryPoints: entries,
    outdir: 'dist',
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node20.19',
    external,
    banner: { js: banner },
    sourcemap: true,
    logLevel: 'warning',
    write: false,
  });
  for (const file of outputFiles) put(file);
};

/** The client library apart: for browsers, with its types. */
const buildClient = () => {
  const command = ['node_modules/typescript/bin/tsc', '-p', 'client/tsconfig.json'];
  const { status } = spawnSync(process.execPath, command, { cwd: projectRoot, stdio: 'inherit' });
  if (status !== 0) throw new Error('the client library was not built');
};

const writeStamp = stampBuild();
try {
  await bundle();
  buildClient();
  writeStamp();
} catch (error) {
  // Both compilers have said what is wrong.
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
