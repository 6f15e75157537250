/** For the tests of deploy files (ops/kubernetes, ops/systemd): programs started by what such a file says alone. */
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

type Test = { teardown: (fn: () => unknown) => void };
export type Env = Record<string, string | undefined>;

export const root = resolve(fileURLToPath(import.meta.url), '../../../..');
export const text = (path: string): string => readFileSync(join(root, path), 'utf8');

/** `args` for this Node, in the project's folder, with no other environment. */
export const startProgram = (t: Test, args: readonly string[], env: Env) => {
  const child = spawn(process.execPath, args, {
    cwd: root,
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.teardown(() => child.kill('SIGKILL'));
  let log = '';
  child.stdout.setEncoding('utf8').on('data', (data: string) => {
    log += data;
  });
  // When its last line has been read, too.
  const exited = new Promise((done) => child.once('close', (code, signal) => done(signal ?? code)));
  return { child, exited, log: () => log };
};

/** Of an answer, 0 without one. */
const statusOfCall = (url: string, init: RequestInit = {}): Promise<number> =>
  fetch(url, init).then(
    ({ status }) => status,
    () => 0,
  );

export const statusOf = (url: string): Promise<number> => statusOfCall(url);

/** A login of nobody: 401 says that a node has answered. */
export const login = (url: string): Promise<number> =>
  statusOfCall(`${url}/v1/login`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ username: 'nobody', password: 'a decent password 7' }),
  });

/** Whether the README's table has this setting for the program; what is secret may come as a file. */
export const isSetting = (name: string, program: 'gateway' | 'node'): boolean =>
  [...text('README.md').matchAll(/^\| `([A-Z0-9_]+)` \|[^|]*\| (\w+) \| (secret:)?/gm)].some(
    ([, known, used = '', secret]) =>
      ['both', program].includes(used) && name === (secret ? `${known}_FILE` : known),
  );

/** What the README asks a supervisor to wait after SIGTERM. */
export const secondsToStop = () => {
  const row = /^\| time to stop .* \| (\d+) s \| (\d+) s \|$/m.exec(text('README.md'));
  return { gateway: row?.[1], node: row?.[2] };
};
