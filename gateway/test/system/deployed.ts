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
  const exited = new Promise((done) => child.once('exit', (code, signal) => done(signal ?? code)));
  return { child, exited, log: () => log };
};

/** Whether the gateway answers there with 2xx. */
export const isOk = (url: string): Promise<boolean> =>
  fetch(url).then(
    ({ ok }) => ok,
    () => false,
  );

/** A login of nobody: 401 says that a node has answered. */
export const login = (url: string): Promise<number> =>
  fetch(`${url}/v1/login`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ username: 'nobody', password: 'a decent password 7' }),
  }).then(({ status }) => status);

/** A name in the README's table of settings, or one that may be given as `_FILE`. */
export const isSetting = (name: string): boolean => {
  const settings = [...text('README.md').matchAll(/^\| `([A-Z0-9_]+)`/gm)].map(
    ([, found]) => found,
  );
  return settings.includes(name) || settings.includes(name.replace(/_FILE$/, ''));
};

/** What the README asks a supervisor to wait after SIGTERM. */
export const secondsToStop = () => {
  const row = /^\| time to stop .* \| (\d+) s \| (\d+) s \|$/m.exec(text('README.md'));
  return { gateway: row?.[1], node: row?.[2] };
};
