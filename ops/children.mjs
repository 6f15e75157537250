/**
 * Our own programs as children: the gateway and the nodes. Each leads a session of its own, so that a
 * Ctrl-C in the terminal reaches the launcher only, and keeps an IPC channel: it says `ready` over it,
 * and when the launcher dies the channel closes and the child drains and exits by itself.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { projectRoot } from './paths.mjs';
import { identify, yieldToOthers } from './processes.mjs';
import { Refusal } from './refusal.mjs';

export const programs = {
  gateway: join(projectRoot, 'dist/gateway/main.js'),
  worker: join(projectRoot, 'dist/worker/main.js'),
};

/** A node drains within this time; then it is killed. */
export const nodeStopMs = 12_000;

/**
 * @param {{
 *   script: string, env: Record<string, string | undefined>,
 *   log?: ReturnType<typeof import('./logs.mjs').openLog>,
 * }} program Without a log it writes where we do.
 * @returns {Promise<import('./keeper.mjs').Running>}
 */
export const launchChild = async ({ script, env, log }) => {
  const output = log?.fd ?? 'inherit';
  const child = spawn(process.execPath, [script], {
    detached: true,
    stdio: ['ignore', output, output, 'ipc'],
    cwd: projectRoot,
    env,
  });
  log?.close();
  if (child.pid === undefined) {
    const [error] = await once(child, 'error');
    throw new Refusal(`A process cannot be started: ${error.message}.`);
  }
  if (script === programs.worker) yieldToOthers(child.pid);
  const ready = new Promise((resolve) => {
    child.on('message', (message) => {
      if (message === 'ready') resolve(undefined);
    });
  });
  const gone = new Promise((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('exit', (code, signal) => resolve(signal ?? `code ${code}`));
  });
  const identity = identify(child.pid);
  return { identity, isAdopted: false, ready, gone, lastWords: log?.lastWords ?? (() => '') };
};
