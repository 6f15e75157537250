/**
 * The clock of the open loop: a thread that sleeps until each intended time (milliseconds of
 * CLOCK_MONOTONIC) and tells the main thread. Node's own timers are up to a millisecond late, which
 * at 500/s would be most of what is measured; waiting in Atomics is good to some ten microseconds and
 * burns nothing. Plain JavaScript, because threads have no loader.
 */
import { parentPort } from 'node:worker_threads';

const never = new Int32Array(new SharedArrayBuffer(4));
parentPort?.once('message', (/** @type {Float64Array} */ times) => {
  for (const time of times) {
    const waitMs = time - Number(process.hrtime.bigint()) / 1e6;
    if (waitMs > 0) Atomics.wait(never, 0, 0, waitMs);
    parentPort?.postMessage(0);
  }
});
