/** The real worker program as a child process. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Test } from 'tap';

/** Built by `npm test`: loading the source costs a second of CPU for each process. */
const main = fileURLToPath(new URL('../../dist/worker/main.js', import.meta.url));

export type Running = {
  child: ChildProcess;
  /** Everything it wrote, on both streams. */
  output: () => string;
  exited: Promise<number | null>;
  /** Resolves with its first word to the parent; rejects with its output when it exits instead. */
  said: () => Promise<unknown>;
};

export const settingsFor = (id: string, redisUrl: string, runtimeDir: string) => ({
  REDIS_URL: redisUrl,
  NODE_SECRET: 'secret-of-the-tests',
  NODE_ID: id,
  RUNTIME_DIR: runtimeDir,
  HASH_THREADS: '1',
});

export const launch = (t: Test, env: Record<string, string>, args: string[] = []): Running => {
  const { PATH = '', HOME = '' } = process.env;
  const child = spawn(process.execPath, [main, ...args], {
    env: { PATH, HOME, ...env },
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  });
  let text = '';
  for (const stream of [child.stdout, child.stderr])
    stream?.on('data', (chunk: Buffer) => {
      text += chunk.toString();
    });
  t.teardown(() => child.kill('SIGKILL'));
  const ends = [child.stdout, child.stderr].map((stream) => stream && once(stream, 'end'));
  // Not 'close': it never comes when this side has closed the IPC channel.
  const exited = once(child, 'exit').then(([code]) => Promise.all(ends).then(() => code));
  const said = async () => {
    const failed = exited.then((code) => {
      throw new Error(`exit ${code}: ${text}`);
    });
    const [message] = await Promise.race([once(child, 'message'), failed]);
    failed.catch(() => {});
    return message;
  };
  return { child, output: () => text, exited, said };
};
