/** A real Redis of the test's own, on a unix socket in a temporary directory. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

type Test = { teardown(fn: () => unknown): void };
export type TestRedis = {
  url: string;
  socket: string;
  dir: string;
  pid: () => number;
  stop: (signal?: NodeJS.Signals) => Promise<void>;
  start: () => Promise<void>;
};

const find = (name: string): string | undefined => {
  try {
    return execFileSync('sh', ['-c', `command -v ${name}`], { encoding: 'utf8' }).trim();
  } catch {
    return undefined;
  }
};

/** Debian's redis-tools ship the server as redis-check-rdb: the name it is called by decides. */
export const findServer = (): string => {
  const found = ['redis-server', 'valkey-server', 'redis-check-rdb'].map(find).find(Boolean);
  if (found === undefined) throw new Error('no redis-server: apt-get install redis-tools');
  return found;
};

const ping = (socket: string): Promise<boolean> =>
  new Promise((resolve) => {
    if (!existsSync(socket)) return resolve(false);
    const client = connect(socket, () => client.write('PING\r\n'));
    client.setTimeout(500, () => client.destroy());
    client.once('data', (data) => {
      client.destroy();
      resolve(/^(\+PONG|-NOAUTH)/.test(data.toString()));
    });
    client.once('error', () => resolve(false));
    client.once('close', () => resolve(false));
  });

export const exited = (child: ChildProcess): Promise<unknown> =>
  child.exitCode !== null || child.signalCode !== null
    ? Promise.resolve()
    : new Promise((resolve) => child.once('exit', resolve));

/**
 * As the product's own: what is answered is in the kernel's hands, and no fsync keeps an answer waiting (with
 * `everysec` a busy disk silences the server). Extra arguments go to the server, e.g. ['--appendonly', 'no'].
 */
export const startRedis = async (t: Test, args: string[] = []): Promise<TestRedis> => {
  const dir = mkdtempSync(join(tmpdir(), 'fg-redis-'));
  const socket = join(dir, 'redis.sock');
  let child: ChildProcess | undefined;

  const start = async () => {
    child = spawn(
      findServer(),
      [
        ...['--port', '0', '--unixsocket', socket, '--dir', dir, '--appendonly', 'yes'],
        ...['--appendfsync', 'no', '--save', '', '--maxmemory-policy', 'noeviction'],
        ...['--daemonize', 'no', ...args],
      ],
      { argv0: 'redis-server', stdio: 'ignore' },
    );
    for (let tries = 0; tries < 200; tries++) {
      if (await ping(socket)) return;
      if (child.exitCode !== null) throw new Error(`redis exited with ${child.exitCode}`);
      await sleep(25);
    }
    throw new Error('redis did not start in 5 s');
  };

  const stop = async (signal: NodeJS.Signals = 'SIGTERM') => {
    if (child === undefined) return;
    child.kill(signal);
    await exited(child);
  };

  await start();
  t.teardown(async () => {
    child?.kill('SIGCONT');
    await stop('SIGKILL');
    rmSync(dir, { recursive: true, force: true });
  });
  return { url: `unix://localhost${socket}`, socket, dir, pid: () => child?.pid ?? 0, stop, start };
};
