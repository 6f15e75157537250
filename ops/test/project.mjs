/**
 * A copy of the launcher with stand-ins for gateway and nodes: everything else in it is real (Redis,
 * lock, signals, processes), and a test can make a program fail, hang or die as it likes. Each run has
 * its own data directory, ports and runtime directory; whatever is left is killed at the end.
 */
import { execFile, spawn } from 'node:child_process';
import {
  chownSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { isGroupAlive, killGroup } from '../processes.mjs';

const execute = promisify(execFile);
const here = dirname(fileURLToPath(import.meta.url));
export const realRoot = dirname(dirname(here));

/**
 * A Node command as a user would run it: tap loads its own modules into every child by NODE_OPTIONS.
 * @param {string[]} args
 * @returns {[string, string[]]}
 */
export const plainNode = (...args) => ['env', ['-u', 'NODE_OPTIONS', process.execPath, ...args]];

/** @typedef {{ teardown: (fn: () => unknown) => void }} Test */

/** @param {Test} t */
export const makeDir = (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'fg-ops-'));
  t.teardown(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
};

/** A directory of another user. @param {Test} t */
export const foreignDir = (t) => {
  if (process.getuid?.() !== 0) return '/etc';
  const dir = makeDir(t);
  chownSync(dir, 12_345, 12_345);
  return dir;
};

/**
 * A Node command that can write no file longer than so many blocks of 512 bytes: as on a full disk.
 * @param {number} blocks
 * @param {string[]} args
 * @returns {[string, string[]]}
 */
export const cramped = (blocks, ...args) => {
  const [file, argv] = plainNode(...args);
  return ['sh', ['-c', `ulimit -f ${blocks}; exec "$@"`, 'sh', file, ...argv]];
};

/** A port nobody listens on just now. @returns {Promise<number>} */
export const freePort = () =>
  new Promise((resolve, reject) => {
    const server = createServer();
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      const port = typeof address === 'object' && address !== null ? address.port : 0;
      server.close(() => (port > 0 ? resolve(port) : reject(new Error('no port'))));
    });
  });

/** @param {() => unknown} isTrue @param {string} what */
export const until = async (isTrue, what, timeoutMs = 15_000) => {
  const end = performance.now() + timeoutMs;
  while (!(await isTrue())) {
    if (performance.now() > end) throw new Error(`not in time: ${what}`);
    await sleep(25);
  }
};

/** A project folder whose programs are stand-ins and which counts as installed and built. @param {Test} t */
export const makeProject = async (t) => {
  const root = makeDir(t);
  cpSync(join(realRoot, 'ops'), join(root, 'ops'), {
    recursive: true,
    filter: (path) => !path.startsWith(here),
  });
  for (const folder of ['node_modules', 'dist/gateway', 'dist/worker'])
    mkdirSync(join(root, folder), { recursive: true });
  writeFileSync(join(root, 'package.json'), '{"type":"module"}');
  for (const name of ['package-lock.json', 'tsconfig.json']) writeFileSync(join(root, name), '{}');
  writeFileSync(join(root, 'node_modules/.package-lock.json'), '{}');
  cpSync(join(here, 'stand-ins/worker.mjs'), join(root, 'dist/worker/main.js'));
  cpSync(join(here, 'stand-ins/gateway.mjs'), join(root, 'dist/gateway/main.js'));
  const install = await import(pathToFileURL(join(root, 'ops/install.mjs')).href);
  install.stampBuild()();
  return root;
};

/** What the lock file and the Redis record say is running. @param {string} dataDir */
export const listRunning = (dataDir) => {
  const read = (/** @type {string} */ path) => {
    try {
      return JSON.parse(readFileSync(join(dataDir, path), 'utf8'));
    } catch {
      return undefined;
    }
  };
  const children = read('launcher.lock')?.children ?? [];
  const redis = read('redis/process.json');
  return redis === undefined ? children : [...children, { ...redis, name: 'redis' }];
};

/**
 * One data directory and the launchers that run on it.
 * @param {Test} t
 * @param {{ root?: string }} [options]
 */
export const makeSite = async (t, { root } = {}) => {
  const projectRoot = root ?? (await makeProject(t));
  const dataDir = join(makeDir(t), 'data');
  const runtime = makeDir(t);
  const [port, adminPort] = [await freePort(), await freePort()];
  /** @type {Map<number, any>} everything ever seen, for the clean-up */
  const seen = new Map();
  const look = () => {
    const running = listRunning(dataDir);
    for (const entry of running) seen.set(entry.pid, entry);
    return running.filter(isGroupAlive);
  };
  /** @type {import('node:child_process').ChildProcess[]} */
  const launchers = [];
  t.teardown(async () => {
    look();
    for (const launcher of launchers) launcher.kill('SIGKILL');
    for (const entry of seen.values()) killGroup(entry);
    await sleep(50);
  });

  const siteEnv = {
    PATH: process.env.PATH,
    HOME: process.env.HOME,
    DATA_DIR: dataDir,
    XDG_RUNTIME_DIR: runtime,
    HOST: '127.0.0.1',
    PORT: String(port),
    ADMIN_PORT: String(adminPort),
  };

  /** What the `floodgate` command prints. @param {string[]} args */
  const floodgate = async (...args) => {
    const [file, argv] = plainNode(join(projectRoot, 'ops/floodgate.mjs'), ...args);
    return (await execute(file, argv, { env: siteEnv })).stdout;
  };

  /** @param {Record<string, string>} [env] */
  const start = (env = {}) => {
    const launcher = spawn(...plainNode(join(projectRoot, 'ops/start.mjs')), {
      cwd: projectRoot,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...siteEnv, ...env },
    });
    launchers.push(launcher);
    let output = '';
    const add = (/** @type {Buffer} */ data) => {
      output += data;
      look();
    };
    launcher.stdout.on('data', add);
    launcher.stderr.on('data', add);
    /** @type {Promise<number | null>} */
    const exited = new Promise((resolve) => launcher.once('close', (code) => resolve(code)));
    return {
      pid: launcher.pid ?? 0,
      kill: (/** @type {NodeJS.Signals} */ signal) => launcher.kill(signal),
      output: () => output,
      exited,
      ready: () =>
        until(
          () => {
            if (launcher.exitCode !== null) throw new Error(`exited early:\n${output}`);
            return output.includes('Ctrl-C stops');
          },
          `ready, so far:\n${output}`,
          60_000,
        ),
    };
  };
  /** As a child of script(1), whose end is that of the terminal. */
  const startAtTerminal = () => {
    const [file, argv] = plainNode(join(projectRoot, 'ops/start.mjs'));
    const command = ['exec', file, ...argv].map((word) => (word === 'exec' ? word : `'${word}'`));
    const terminal = spawn('script', ['-qfc', command.join(' '), '/dev/null'], {
      cwd: projectRoot,
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...siteEnv, SHELL: '/bin/sh' },
    });
    launchers.push(terminal);
    let output = '';
    terminal.stdout.on('data', (data) => {
      output += data;
      look();
    });
    return { terminal, output: () => output };
  };
  const place = { root: projectRoot, dataDir, runtime, port, adminPort, env: siteEnv };
  return { ...place, start, startAtTerminal, floodgate, look };
};
