/**
 * A thread that verifies one hash with `@node-rs/argon2`, back to back, for as long as it is told,
 * and answers with the time of every end. Plain JavaScript, because threads have no loader.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { verifySync } from '@node-rs/argon2';

parentPort?.on('message', (/** @type {number} */ forMs) => {
  const times = [performance.now()];
  for (const until = times[0] + forMs; times.at(-1) < until; ) {
    verifySync(workerData.encoded, workerData.password);
    times.push(performance.now());
  }
  parentPort.postMessage(times);
});
