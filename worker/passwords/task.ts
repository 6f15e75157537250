/**
 * The code inside a hash thread: takes work from its port, one at a time, computes synchronously and
 * answers in the same order. Nothing else runs here, so a thread is either hashing or asleep.
 */
import type { MessagePort } from 'node:worker_threads';
import { type Result, runWork, type Work } from './work.js';

/** What a thread answers: the result, or what went wrong. */
export type Answer = Result | Error;

const answer = (work: Work): Answer => {
  try {
    return runWork(work);
  } catch (error) {
    return error instanceof Error ? error : new Error('the hash function failed');
  }
};

/**
 * Piscina runs this once per thread. It says hello, and lasts until the main thread closes the port: a
 * Piscina task per hash costs the main thread 0.3 ms beside argon2 (cold caches), a message on a port
 * of our own 0.13.
 */
export default (port: MessagePort): Promise<void> =>
  new Promise((resolve) => {
    port.on('message', (work: Work) => port.postMessage(answer(work)));
    port.on('close', resolve);
    port.postMessage(true);
  });
