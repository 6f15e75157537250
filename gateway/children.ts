/** What the primary knows of one child process, and does to it, whatever its place. */
import type { Worker } from 'node:cluster';
import type { ToChild } from './ipc.js';

export type Role = 'edge' | 'admin';
/** A place that one process at a time fills. */
export type Slot = {
  role: Role;
  worker: Worker;
  /** These are on the clock of `performance.now()`. */
  bornAt: number;
  heardAt: number;
  connections: number;
  isReady: boolean;
  /** Deaths in a row before ten seconds of life. */
  failures: number;
};

export const tell = (worker: Worker, message: ToChild): void => {
  if (worker.isConnected()) worker.send(message, () => {});
};

const gone = (worker: Worker): Promise<void> =>
  worker.isDead() ? Promise.resolve() : new Promise((done) => worker.once('exit', () => done()));

/**
 * Resolves when it has ended, killed after `limitMs` at the latest. One that is not `serving` yet may not
 * hear us, and holds no request: it is killed at once.
 */
export const drain = async (worker: Worker, serving: boolean, limitMs: number): Promise<void> => {
  if (serving) tell(worker, 'drain');
  else worker.process.kill('SIGKILL');
  const timer = setTimeout(() => worker.process.kill('SIGKILL'), limitMs);
  await gone(worker);
  clearTimeout(timer);
};
