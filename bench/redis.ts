/**
 * A Redis of the bench's own with the durability that the product insists on, on a unix socket in
 * a temporary directory, and the few lines it takes to send it commands.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { findProgram } from './programs.js';

export type Redis = {
  pid: number;
  url: string;
  version: string;
  /** Sends all, then waits until each has been answered; throws on the first error answer. */
  send: (commands: readonly (readonly string[])[]) => Promise<void>;
  /** The answer of one command, which must be a string or a number. */
  ask: (words: readonly string[]) => Promise<string>;
  stop: () => Promise<void>;
};

// Debian's redis-tools ship the server as redis-check-rdb: the name it is called by decides.
const names = ['redis-server', 'valkey-server', 'redis-check-rdb'];
const argv0 = 'redis-server';

const findServer = (): string => {
  const found = findProgram(...names);
  if (found !== undefined) return found;
  throw new Error('no Redis server found; on Debian: apt-get install -y redis-tools');
};

/** As the product's own Redis has it. */
type Sync = { keepSynced(dataDir: string, say: (problem: string) => void): () => void };
const syncUrl = new URL('../ops/redis-sync.mjs', import.meta.url).href;

const encode = (words: readonly string[]): string =>
  `*${words.length}\r\n${words.map((w) => `$${Buffer.byteLength(w)}\r\n${w}\r\n`).join('')}`;

/** Answers here are simple strings, errors, integers and short bulk strings. */
const countAnswers = (text: string): number => text.match(/^[+:$-]/gm)?.length ?? 0;

const sendTo = (socket: string) => (commands: readonly (readonly string[])[]) =>
  new Promise<void>((resolve, reject) => {
    let text = '';
    const client = connect(socket, () => client.write(commands.map(encode).join('')));
    client.setEncoding('latin1').on('data', (chunk) => {
      text += chunk;
      const problem = /^-(.*)$/m.exec(text);
      if (problem !== null) reject(new Error(`redis: ${problem[1]}`));
      if (countAnswers(text) >= commands.length) resolve();
      else if (problem === null) return;
      client.destroy();
    });
    client.once('error', reject);
  });

/** Undefined while it is incomplete. */
const readAnswer = (text: string): string | undefined => {
  const end = text.indexOf('\r\n');
  if (end === -1) return undefined;
  if (text[0] !== '$') return text.slice(1, end);
  const length = Number(text.slice(1, end));
  return text.length < end + 2 + length + 2 ? undefined : text.slice(end + 2, end + 2 + length);
};

const askOf =
  (socket: string) =>
  (words: readonly string[]): Promise<string> =>
    new Promise((resolve, reject) => {
      let text = '';
      const client = connect(socket, () => client.write(encode(words)));
      client.setEncoding('latin1').on('data', (chunk) => {
        text += chunk;
        const answer = readAnswer(text);
        if (answer === undefined) return;
        client.destroy();
        if (text.startsWith('-')) reject(new Error(`redis: ${answer}`));
        else resolve(answer);
      });
      client.once('error', reject);
    });

const waitUp = async (child: ChildProcess, send: Redis['send']) => {
  for (let tries = 0; tries < 200; tries++) {
    if (child.exitCode !== null) throw new Error(`redis exited with ${child.exitCode}`);
    const isUp = await send([['PING']]).then(
      () => true,
      () => false,
    );
    if (isUp) return;
    await sleep(25);
  }
  throw new Error('redis did not start in 5 s');
};

export const startRedis = async (dir: string): Promise<Redis> => {
  const path = findServer();
  const { keepSynced }: Sync = await import(syncUrl);
  const socket = join(dir, 'redis.sock');
  const durable = ['--appendonly', 'yes', '--appendfsync', 'no', '--save', ''];
  const limits = ['--maxmemory', '2gb', '--maxmemory-policy', 'noeviction'];
  const child = spawn(
    path,
    [
      '--port',
      '0',
      '--unixsocket',
      socket,
      '--dir',
      dir,
      '--daemonize',
      'no',
      ...durable,
      ...limits,
    ],
    // A session of its own, as the launcher gives it: the kernel's fair shares go by session.
    { argv0, stdio: 'ignore', detached: true },
  );
  const send = sendTo(socket);
  const exited = once(child, 'exit');
  const stopSync = keepSynced(dir, console.error);
  const stop = async () => {
    stopSync();
    child.kill('SIGKILL');
    await exited;
  };
  try {
    await waitUp(child, send);
  } catch (error) {
    await stop();
    throw error;
  }
  const { stdout } = spawnSync(path, ['--version'], { argv0, encoding: 'utf8' });
  const version = /v=(\S+)/.exec(stdout)?.[1] ?? 'unknown';
  const url = `unix://localhost${socket}`;
  return { pid: child.pid ?? 0, url, version, send, ask: askOf(socket), stop };
};
