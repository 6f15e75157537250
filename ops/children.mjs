/**
 * Our own programs as children: the gateway and the nodes. Each leads a session of its own, so that a
 * Ctrl-C in the terminal reaches the launcher only, and keeps an IPC channel: it says `ready` over it,
 * and when the launcher dies the channel closes and the child drains and exits by itself.
 */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { openLog } from './logs.mjs';
import { projectRoot } from './paths.mjs';
import { identify, yieldToOthers } from './processes.mjs';

export const programs = {
  gateway: join(projectRoot, 'dist/gateway/main.js'),
  worker: join(projectRoot, 'dist/worker/main.js'),
};

/**
 * @param {import('./paths.mjs').Paths} paths
 * @param {{ name: string, script: string, env: Record<string, string | undefined> }} program
 * @returns {Promise<import('./keeper.mjs').Running>}
 */
export const launchChild = async (paths, { name, script, env }) => {
  const log = openLog(paths, name);
  const child = spawn(process.execPath, [script], {
    detached: true,
    stdio: ['ignore', log.fd, log.fd, 'ipc'],
    cwd: projectRoot,
    env,
  });
  log.close();
  if (script === programs.worker) yieldToOthers(child.pid ?? 0);
  const ready = new Promise((resolve) => {
    child.on('message', (message) => {
      if (message === 'ready') resolve(undefined);
    });
  });
  const gone = new Promise((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('exit', (code, signal) => resolve(signal ?? `code ${code}`));
  });
  const identity = identify(child.pid ?? 0);
  return { identity, isAdopted: false, ready, gone, lastWords: log.lastWords };
};
