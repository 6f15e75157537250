/**
 * Ends this process when its event loop stands still for good, so that whoever keeps it starts another.
 * Edges avoid a hung node within a second, but its threads would be lost until somebody looks. It needs no
 * probe from outside, for which a full node could look like a hung one: the thread that watches has no
 * more claim to a processor than the loop that it watches. What stops both (SIGSTOP, a machine that sleeps)
 * is no hang: it counts its own rounds, not time.
 */
import { url as inspectorUrl } from 'node:inspector';
import { Worker } from 'node:worker_threads';
import type { Log } from '../shared/log.js';

export type Watched = { beats: Int32Array; everyMs: number; limit: number; fields: object };

// Built code only: tests build it, too.
const threadUrl = new URL('./watchdog-thread.js', import.meta.url);

/**
 * For the rest of the process's life, which ends after `limit` rounds of `everyMs` without a beat; not where
 * somebody may stop at a breakpoint (`--inspect`). Resolves when the thread watches.
 */
export const startWatchdog = (options: {
  log: Log;
  everyMs?: number;
  limit?: number;
}): Promise<void> => {
  if (inspectorUrl() !== undefined) return Promise.resolve();
  const { log, everyMs = 1000, limit = 10 } = options;
  const beats = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
  const watched: Watched = {
    beats,
    everyMs,
    limit,
    fields: { ...log.bindings(), pid: process.pid },
  };
  const thread = new Worker(threadUrl, { workerData: watched, execArgv: [] });
  thread.on('error', (err) => log.error({ err, alarm: true }, 'watchdog failed'));
  thread.unref();
  setInterval(() => Atomics.add(beats, 0, 1), everyMs / 2).unref();
  return new Promise((resolve) => thread.once('message', () => resolve()));
};
