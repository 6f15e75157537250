/** The `floodgate` command, as an operator of this fleet runs it. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { Fleet } from '../fleet.js';
import { projectRoot } from '../launch.js';

export type Ended = { code: number | null; output: string; tookMs: number };
type Command = { pid: number; ended: Promise<Ended>; kill: () => void };

const script = join(projectRoot, 'ops/floodgate.mjs');
/** The last of what a command said; one that lists a million problems must not fill the memory. */
const keptChars = 20_000;

export const startCommand = (fleet: Fleet, args: readonly string[]): Command => {
  const startedAt = performance.now();
  const child = spawn(process.execPath, [script, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      PATH: process.env.PATH,
      HOME: process.env.HOME,
      DATA_DIR: fleet.dir,
      ADMIN_URL: `http://127.0.0.1:${fleet.adminPort}`,
      ADMIN_TOKEN: fleet.adminToken,
    },
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk) => {
      output = (output + chunk).slice(-keptChars);
    });
  const ended = once(child, 'close').then(([code]) => {
    return { code, output, tookMs: performance.now() - startedAt };
  });
  return { pid: child.pid ?? 0, ended, kill: () => void child.kill('SIGKILL') };
};

/** Throws with its last words unless it ends with 0. */
export const runCommand = async (fleet: Fleet, args: readonly string[]): Promise<Ended> => {
  const ended = await startCommand(fleet, args).ended;
  if (ended.code === 0) return ended;
  throw new Error(`floodgate ${args.join(' ')}: exit ${ended.code}\n${ended.output.slice(-1500)}`);
};
