/** Runs `floodgate` against a fleet, as an operator would. */
import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Fleet } from './fleet.js';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '../../..');

export type Ran = { code: number | string; out: string; err: string };

/** `onStart` gets the process, to kill it. */
export const createUsersRig = (fleet: Fleet) => {
  const { PATH, ADMIN_TOKEN, DATA_DIR } = fleet.env;
  const ADMIN_URL = `http://127.0.0.1:${fleet.adminPort}`;
  const env = { PATH, ADMIN_TOKEN, DATA_DIR, ADMIN_URL };

  const run = (args: readonly string[], input = '', more: Record<string, string> = {}) => {
    const child: ChildProcess = spawn(
      process.execPath,
      [join(root, 'ops/floodgate.mjs'), ...args],
      {
        env: { ...env, ...more },
      },
    );
    let out = '';
    let err = '';
    child.stdout?.on('data', (data: Buffer) => {
      out += data;
    });
    child.stderr?.on('data', (data: Buffer) => {
      err += data;
    });
    child.stdin?.on('error', () => {});
    child.stdin?.end(input);
    const done = new Promise<Ran>((settle) =>
      child.once('close', (code, signal) => settle({ code: signal ?? code ?? -1, out, err })),
    );
    return { child, done };
  };

  const start = (args: readonly string[], input?: string, more?: Record<string, string>) =>
    run(['users', ...args], input, more);

  return {
    start,
    migrate: (...args: string[]): Promise<Ran> => run(['migrate', ...args]).done,
    watchMigration: () => run(['migrate', 'status', '--watch']),
    users: (...args: string[]): Promise<Ran> => start(args).done,
    usersWith: (input: string, ...args: string[]): Promise<Ran> => start(args, input).done,
  };
};

/** The lines of an NDJSON file. */
export const readObjects = (path: string): Record<string, unknown>[] =>
  readFileSync(path, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line));
