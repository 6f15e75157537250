/** The clock of open-loop load, from the side of those who send (pacer.mjs is the thread behind it). */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';

/** Milliseconds of CLOCK_MONOTONIC, which all processes and threads share. */
export const nowMs = (): number => Number(process.hrtime.bigint()) / 1e6;

/** A thread takes a moment to start, which must not pass for latency: start it before choosing the times. */
export const startPacer = async () => {
  const thread = new Worker(new URL('./pacer.mjs', import.meta.url), { execArgv: [] });
  await once(thread, 'online');
  return {
    /**
     * Calls `arrive` at each of `times` (see nowMs) until it says false. Resolves
     * after the last one, and the thread has ended.
     */
    pace: (times: readonly number[], arrive: (at: number) => boolean): Promise<void> =>
      new Promise<void>((resolve, reject) => {
        let next = 0;
        const over = () => void thread.terminate().then(() => resolve());
        thread.once('error', reject);
        thread.on('message', () => {
          const at = times[next++];
          const goesOn = at !== undefined && arrive(at);
          if (!goesOn || next >= times.length) over();
        });
        thread.postMessage(Float64Array.from(times));
        if (times.length === 0) over();
      }),
  };
};
