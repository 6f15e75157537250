/**
 * The real programs from dist, as the launcher starts them: a Redis, nodes, the gateway, each in a
 * session of its own, with free ports and a temporary directory. Knows which process is what, so
 * that CPU time can be told apart. Stops only what it started.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import {
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { childrenOf, hasTitle } from './cpu.js';
import { type Redis, startRedis } from './redis.js';

export const projectRoot = resolve(fileURLToPath(new URL('..', import.meta.url)));
const programs = {
  gateway: join(projectRoot, 'dist/gateway/main.js'),
  worker: join(projectRoot, 'dist/worker/main.js'),
};

export type Kind = 'edges' | 'primary' | 'admin' | 'nodes' | 'redis';
export type Process = { kind: Kind; pid: number };
export type Fleet = {
  port: number;
  adminPort: number;
  adminToken: string;
  redis: Redis;
  processes: Process[];
  stop: () => Promise<void>;
};
export type FleetOptions = {
  nodes: number;
  threadsPerNode: number;
  edges?: number;
  /** Where CPU profiles of edges and nodes go. */
  profile?: string;
  /** Keep the directory with data and logs. */
  keep?: boolean;
};

const readyMs = 15_000;
const running = new Set<() => Promise<void>>();

/** For a bench that is interrupted. */
export const stopFleets = async () => {
  await Promise.all([...running].map((stop) => stop()));
};

const newest = (dir: string): number =>
  Math.max(
    0,
    ...readdirSync(dir, { withFileTypes: true }).map((entry) => {
      const path = join(dir, entry.name);
      if (entry.isDirectory()) return entry.name === 'test' ? 0 : newest(path);
      return entry.name.endsWith('.ts') ? statSync(path).mtimeMs : 0;
    }),
  );

/** A build older than its sources would measure yesterday's program. */
export const ensureBuilt = () => {
  const sources = ['shared', 'worker', 'gateway'].map((name) => join(projectRoot, name));
  const builtAt = Math.min(
    ...Object.values(programs).map(
      (path) => statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0,
    ),
  );
  if (builtAt >= Math.max(...sources.map(newest))) return;
  try {
    execFileSync('npm', ['run', '--silent', 'build'], { cwd: projectRoot, encoding: 'utf8' });
  } catch (error) {
    const output = error instanceof Error && 'stdout' in error ? String(error.stdout) : '';
    throw new Error(`npm run build failed\n${output.slice(0, 2000)}`);
  }
};

const freePort = async (): Promise<number> => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  return typeof address === 'object' && address !== null ? address.port : 0;
};

const writeSecrets = (dir: string, secrets: Record<string, string>): Record<string, string> =>
  Object.fromEntries(
    Object.entries(secrets).map(([name, value]) => {
      const path = join(dir, name);
      writeFileSync(path, value, { mode: 0o600 });
      return [`${name}_FILE`, path];
    }),
  );

const lastWords = (path: string): string => readFileSync(path, 'utf8').slice(-1500);

const launch = async (options: {
  dir: string;
  name: string;
  script: string;
  env: Record<string, string>;
  profile: string | undefined;
}): Promise<ChildProcess> => {
  const { name, script, profile } = options;
  const logPath = join(options.dir, `${name}.log`);
  const log = openSync(logPath, 'a');
  const flags = profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profile}`];
  const child = spawn(process.execPath, [...flags, script], {
    detached: true,
    stdio: ['ignore', log, log, 'ipc'],
    env: { PATH: process.env.PATH, HOME: process.env.HOME, ...options.env },
  });
  const problem = await new Promise<string | undefined>((resolve) => {
    const timer = setTimeout(resolve, readyMs, 'was not ready in time');
    const settle = (text?: string) => {
      clearTimeout(timer);
      resolve(text);
    };
    child.on('message', (message) => message === 'ready' && settle());
    child.once('exit', () => settle('ended while starting'));
    child.once('error', (error) => settle(error.message));
  });
  if (problem === undefined) return child;
  child.kill('SIGKILL');
  throw new Error(`${name} ${problem}\n${lastWords(logPath)}`);
};

/** Asks to drain, then insists. */
const end = async (child: ChildProcess) => {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, 'exit');
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), 10_000);
  await gone;
  clearTimeout(timer);
};

const gatewayProcesses = (pid: number): Process[] => [
  { kind: 'primary', pid },
  ...childrenOf(pid).map((child): Process => {
    return { kind: hasTitle(child, 'admin') ? 'admin' : 'edges', pid: child };
  }),
];

export const startFleet = async (options: FleetOptions): Promise<Fleet> => {
  const dir = mkdtempSync(join(tmpdir(), 'floodgate-bench-'));
  const started: { stop: () => Promise<unknown> }[] = [];
  const stop = async () => {
    for (const { stop } of started.reverse()) await stop();
    if (!options.keep) rmSync(dir, { recursive: true, force: true });
    started.length = 0;
    running.delete(stop);
  };
  running.add(stop);
  const run = async (name: string, script: string, env: Record<string, string>) => {
    const child = await launch({ dir, name, script, env, profile: options.profile });
    started.push({ stop: () => end(child) });
    return child.pid ?? 0;
  };
  try {
    const redis = await startRedis(dir);
    started.push(redis);
    const adminToken = randomBytes(24).toString('base64url');
    const [port, adminPort] = [await freePort(), await freePort()];
    const secrets = {
      ADMIN_TOKEN: adminToken,
      NODE_SECRET: randomBytes(32).toString('base64url'),
      KEY_ENCRYPTION_KEY: randomBytes(32).toString('base64url'),
      REDIS_URL: redis.url,
    };
    const { ADMIN_TOKEN_FILE, KEY_ENCRYPTION_KEY_FILE, ...common } = writeSecrets(dir, secrets);
    const env = { ...common, DATA_DIR: dir, RUNTIME_DIR: dir };
    const nodes = Array.from({ length: options.nodes }, (_, i) =>
      run(`node-${i}`, programs.worker, {
        ...env,
        NODE_ID: `bench-${i}`,
        HASH_THREADS: String(options.threadsPerNode),
      }),
    );
    const nodePids = await Promise.all(nodes);
    const gatewayPid = await run('gateway', programs.gateway, {
      ...env,
      ADMIN_TOKEN_FILE: String(ADMIN_TOKEN_FILE),
      KEY_ENCRYPTION_KEY_FILE: String(KEY_ENCRYPTION_KEY_FILE),
      HOST: '127.0.0.1',
      PORT: String(port),
      ADMIN_PORT: String(adminPort),
      ...(options.edges === undefined ? {} : { EDGES: String(options.edges) }),
    });
    const processes: Process[] = [
      { kind: 'redis', pid: redis.pid },
      ...nodePids.map((pid): Process => ({ kind: 'nodes', pid })),
      ...gatewayProcesses(gatewayPid),
    ];
    return { port, adminPort, adminToken, redis, processes, stop };
  } catch (error) {
    await stop();
    throw error;
  }
};
