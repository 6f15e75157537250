/**
 * A whole Floodgate of the test's own: real Redis, real worker nodes, a real gateway with its edges,
 * from dist/, on free ports. At the end everything is stopped as an operator would, and the logs of
 * all processes are searched: every line one JSON object, no marker secret anywhere.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Test } from 'tap';
import { startRedis, type TestRedis } from '../../../shared/test/redis-server.js';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '../../..');
export const marker = 'MARKER-secret-';
/** Good enough for the policy, and every log is searched for it. */
export const password = `${marker}${randomBytes(6).toString('hex')}`;

export const freePort = (): Promise<number> =>
  new Promise((done) => {
    const server = createServer();
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      const port = typeof address === 'object' && address !== null ? address.port : 0;
      server.close(() => done(port));
    });
  });

/** Polls until `probe` is true; the bound keeps a broken test from hanging. */
export const until = async (what: string, probe: () => unknown, boundMs = 10_000) => {
  const end = Date.now() + boundMs;
  while (Date.now() < end) {
    if (await probe()) return;
    await sleep(20);
  }
  throw new Error(`not within ${boundMs} ms: ${what}`);
};

type Program = { name: string; child: ChildProcess; exited: Promise<number | string> };
export type Answer = { status: number; body: Record<string, unknown>; headers: Headers };
export type Fleet = Awaited<ReturnType<typeof startFleet>>;

/** "Not now", which a busy machine may cause at any time: it decides nothing. */
export const isUndecided = ({ status }: { status: number }): boolean =>
  [429, 503, 504].includes(status);

/** Asks again while the answer decides nothing. */
export const decided = async <A extends { status: number }>(ask: () => Promise<A>): Promise<A> => {
  const end = Date.now() + 20_000;
  for (;;) {
    const answer = await ask();
    if (!isUndecided(answer) || Date.now() > end) return answer;
    await sleep(200);
  }
};

const workerFile = 'worker/main.js';
const processesUrl = new URL('../../../ops/processes.mjs', import.meta.url).href;
const { yieldToOthers }: { yieldToOthers: (pid: number) => void } = await import(processesUrl);

const launch = (name: string, file: string, env: NodeJS.ProcessEnv, dir: string): Program => {
  const child = spawn(process.execPath, [join(root, 'dist', file)], {
    env,
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    detached: true,
  });
  // As the launcher does.
  if (file === workerFile) yieldToOthers(child.pid ?? 0);
  const log = join(dir, `${name}.log`);
  const append = (data: Buffer) => writeFileSync(log, data, { flag: 'a' });
  child.stdout?.on('data', append);
  child.stderr?.on('data', append);
  const exited = new Promise<number | string>((done) =>
    child.once('exit', (code, signal) => done(signal ?? code ?? -1)),
  );
  return { name, child, exited };
};

const ready = (program: Program): Promise<void> =>
  new Promise((done, fail) => {
    const timer = setTimeout(() => fail(new Error(`${program.name} is not ready in 60 s`)), 60_000);
    program.child.on('message', (message) => {
      if (message !== 'ready') return;
      clearTimeout(timer);
      done();
    });
    program.exited.then((how) => {
      clearTimeout(timer);
      fail(new Error(`${program.name} ended with ${how} before it was ready`));
    });
  });

/** What was wrong with its end; nothing when it had ended before. */
const stopProgram = async (program: Program): Promise<string[]> => {
  if (program.child.exitCode !== null || program.child.signalCode !== null) return [];
  program.child.kill('SIGTERM');
  const timer = setTimeout(() => program.child.kill('SIGKILL'), 60_000);
  const how = await program.exited;
  clearTimeout(timer);
  return how === 0 ? [] : [`${program.name} ended with ${how}, not 0`];
};

/** What is wrong with the logs. A teardown cannot assert, it can only throw. */
const faultsInLogs = (dir: string): string[] =>
  readdirSync(dir).flatMap((file) => {
    const text = readFileSync(join(dir, file), 'utf8');
    const broken = text.split('\n').filter((line) => line !== '' && !isObject(line));
    return [
      ...(text.includes(marker) ? [`${file} has a marker secret`] : []),
      ...broken.slice(0, 3).map((line) => `${file} has a line that is no JSON: ${line}`),
    ];
  });

const isObject = (line: string): boolean => {
  try {
    return typeof JSON.parse(line) === 'object';
  } catch {
    return false;
  }
};

/** Pids of all processes whose parent is `pid`. */
export const childrenOf = (pid: number): number[] =>
  readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((name) => {
      try {
        const stat = readFileSync(`/proc/${name}/stat`, 'utf8');
        return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]) === pid;
      } catch {
        return false;
      }
    })
    .map(Number);

export const titleOf = (pid: number): string => {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')[0] ?? '';
  } catch {
    return '';
  }
};

export const isAlive = (pid: number): boolean => titleOf(pid) !== '';

export const startFleet = async (
  t: Test,
  options: {
    nodes?: number;
    edges?: number;
    env?: Record<string, string>;
    /** What one node gets on top. */
    nodeEnv?: (name: string) => Record<string, string>;
  } = {},
) => {
  const { nodes: count = 2, edges = 2 } = options;
  const dir = mkdtempSync(join(tmpdir(), 'fg-fleet-'));
  const logs = join(dir, 'logs');
  const runtime = join(dir, 'run');
  mkdirSync(logs);
  mkdirSync(runtime, { mode: 0o700 });
  const redis: TestRedis = await startRedis(t);
  const port = await freePort();
  const adminPort = await freePort();
  const adminToken = `${marker}admin-${randomBytes(8).toString('hex')}`;
  const env: NodeJS.ProcessEnv = {
    PATH: process.env.PATH,
    HOST: '127.0.0.1',
    PORT: String(port),
    ADMIN_PORT: String(adminPort),
    EDGES: String(edges),
    REDIS_URL: redis.url,
    RUNTIME_DIR: runtime,
    DATA_DIR: dir,
    ADMIN_TOKEN: adminToken,
    NODE_SECRET: `${marker}node-${randomBytes(16).toString('hex')}`,
    KEY_ENCRYPTION_KEY: randomBytes(32).toString('base64url'),
    REGISTRATION: 'open',
    HASH_THREADS: '1',
    ...options.env,
  };

  /** In the order of their start; stopped in the other one, whatever became of the start. */
  const programs: Program[] = [];
  const run = (name: string, file: string, its: NodeJS.ProcessEnv): Program => {
    const program = launch(name, file, its, logs);
    programs.push(program);
    return program;
  };
  t.teardown(async () => {
    for (const { child } of programs) child.kill('SIGCONT');
    const gateways = programs.filter(({ name }) => name.startsWith('gateway'));
    const others = programs.filter(({ name }) => !name.startsWith('gateway'));
    const faults = (await Promise.all(gateways.map(stopProgram))).flat();
    faults.push(...(await Promise.all(others.map(stopProgram))).flat(), ...faultsInLogs(logs));
    if (faults.length > 0) throw new Error(`${dir}: ${faults.join('; ')}`);
    rmSync(dir, { recursive: true, force: true });
  });

  const startNode = async (at: number) => {
    const name = `node-${at + 1}`;
    const program = run(name, workerFile, {
      ...env,
      NODE_ID: name,
      ...options.nodeEnv?.(name),
    });
    await ready(program);
    return program;
  };
  const startGateway = async () => {
    const program = run('gateway', 'gateway/main.js', env);
    await ready(program);
    return program;
  };

  const nodes = await Promise.all(Array.from({ length: count }, (_, at) => startNode(at)));
  let gateway = await startGateway();

  const base = `http://127.0.0.1:${port}`;
  const call = async (
    method: string,
    path: string,
    body?: object,
    token?: string,
    to = base,
    address?: string,
  ): Promise<Answer> => {
    const response = await fetch(to + path, {
      method,
      headers: {
        ...(body ? { 'content-type': 'application/json' } : {}),
        ...(token ? { authorization: `Bearer ${token}` } : {}),
        ...(address ? { 'x-forwarded-for': address } : {}),
      },
      ...(body ? { body: JSON.stringify(body) } : {}),
    });
    const text = await response.text();
    const parsed = /^\s*\{/.test(text) ? JSON.parse(text) : {};
    return { status: response.status, body: parsed, headers: response.headers };
  };
  const login = (username: string, secret = password) =>
    call('POST', '/v1/login', { username, password: secret });
  const admin = (method: string, path: string, body?: object) =>
    call(method, path, body, adminToken, `http://127.0.0.1:${adminPort}`);

  return {
    t,
    dir,
    logs,
    redis,
    port,
    adminPort,
    base,
    env,
    nodes,
    call,
    admin,
    gatewayPid: () => gateway.child.pid ?? 0,
    gateway: () => gateway,
    edgePids: () =>
      childrenOf(gateway.child.pid ?? 0).filter((pid) => titleOf(pid).includes('edge')),
    restartGateway: async () => {
      gateway = await startGateway();
    },
    /** Another gateway with the same settings on the same store; returns where it listens. */
    addGateway: async (): Promise<string> => {
      const PORT = String(await freePort());
      const ISSUER = env.ISSUER ?? `http://localhost:${port}`;
      const ports = { PORT, ADMIN_PORT: String(await freePort()), ISSUER };
      await ready(run('gateway-2', 'gateway/main.js', { ...env, ...ports }));
      return `http://127.0.0.1:${PORT}`;
    },
    restartNode: async (at: number) => {
      nodes[at] = await startNode(at);
    },
    post: (path: string, body: object, token?: string) => call('POST', path, body, token),
    /** A client behind a proxy; needs TRUSTED_PROXIES=127.0.0.1. */
    client: (address: string) => {
      const post = (path: string, body: object, token?: string) =>
        call('POST', path, body, token, base, address);
      return {
        post,
        login: (username: string, secret = password) =>
          post('/v1/login', { username, password: secret }),
      };
    },
    /** Imports a user with a hash made elsewhere; returns the name. */
    importUser: async (username: string, hash: string, more: object = {}) => {
      const answer = await decided(() => admin('POST', '/users', { username, hash, ...more }));
      // 409: the first try was written, its answer was lost.
      if (![201, 409].includes(answer.status))
        throw new Error(`import: ${JSON.stringify(answer.body)}`);
      return username;
    },
    login,
    /** What a test begins with: it must work, however busy the machine is. */
    register: async (username: string) => {
      const answer = await decided(() => call('POST', '/v1/users', { username, password }));
      // 409: the first try was written, its answer was lost.
      if (![201, 409].includes(answer.status))
        throw new Error(`register: ${JSON.stringify(answer.body)}`);
    },
    signIn: async (username: string): Promise<Answer> => {
      const answer = await decided(() => login(username));
      if (answer.status !== 200) throw new Error(`sign in: ${JSON.stringify(answer.body)}`);
      return answer;
    },
    verify: (token: string) => call('GET', '/v1/verify', undefined, token),
    metrics: async (): Promise<string> => {
      const response = await fetch(`http://127.0.0.1:${adminPort}/metrics`, {
        headers: { authorization: `Bearer ${adminToken}` },
      });
      return response.text();
    },
    /** All log lines of all processes, parsed. */
    logLines: (): Record<string, unknown>[] =>
      readdirSync(logs)
        .flatMap((file) => readFileSync(join(logs, file), 'utf8').split('\n'))
        .filter(isObject)
        .map((line) => JSON.parse(line)),
  };
};

export const textOf = (answer: Answer, field: string): string => String(answer.body[field]);
