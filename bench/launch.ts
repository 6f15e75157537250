/**
 * One program of the product as a child of the bench: built if need be, started the way the launcher
 * starts it (a session of its own, an IPC channel, a log file), waited for, asked to drain at the end.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { openSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

export const projectRoot = resolve(fileURLToPath(new URL('..', import.meta.url)));
export const programs = {
  gateway: join(projectRoot, 'dist/gateway/main.js'),
  worker: join(projectRoot, 'dist/worker/main.js'),
};

const readyMs = 60_000;
/** Longer than a program takes to end by itself. */
const drainMs = 15_000;

/** A build older than its sources would measure yesterday's program. */
export const ensureBuilt = () => {
  // Without the loader that a test runner adds to whatever is started: it cannot load the compiler.
  const { NODE_OPTIONS: _, ...env } = process.env;
  try {
    execFileSync(process.execPath, ['ops/build.mjs', '--if-outdated'], {
      cwd: projectRoot,
      env,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    });
  } catch (error) {
    const said = (stream: string) =>
      error instanceof Error && stream in error ? String(Reflect.get(error, stream)) : '';
    const output = said('stdout') + said('stderr');
    throw new Error(`npm run build failed\n${output.slice(0, 2000)}`);
  }
};

export const freePort = async (): Promise<number> => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  return typeof address === 'object' && address !== null ? address.port : 0;
};

const lastWords = (path: string): string => readFileSync(path, 'utf8').slice(-1500);

/** Undefined once it serves, else what went wrong. */
const untilReady = (child: ChildProcess): Promise<string | undefined> =>
  new Promise((resolve) => {
    const settle = (problem?: string) => {
      clearTimeout(timer);
      resolve(problem);
    };
    const timer = setTimeout(settle, readyMs, 'was not ready in time');
    child.on('message', (message) => message === 'ready' && settle());
    child.once('exit', () => settle('ended while starting'));
    child.once('error', (error) => settle(error.message));
  });

export const launch = async (options: {
  name: string;
  script: string;
  /** For its log. */
  dir: string;
  env: Record<string, string>;
  /** Where its CPU profile goes. */
  profile?: string | undefined;
}): Promise<ChildProcess> => {
  const { name, script, dir, env, profile } = options;
  const logPath = join(dir, `${name}.log`);
  const log = openSync(logPath, 'a');
  const flags = profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profile}`];
  const child = spawn(process.execPath, [...flags, script], {
    detached: true,
    stdio: ['ignore', log, log, 'ipc'],
    env: { PATH: process.env.PATH, HOME: process.env.HOME, ...env },
  });
  const problem = await untilReady(child);
  if (problem === undefined) return child;
  child.kill('SIGKILL');
  throw new Error(`${name} ${problem}\n${lastWords(logPath)}`);
};

/** Asks to drain, then insists. */
export const end = async (child: ChildProcess): Promise<void> => {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, 'exit');
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), drainMs);
  await gone;
  clearTimeout(timer);
};
