/**
 * Calls that may be repeated, repeated while nobody answers or the answer is "not now": a node or the
 * store is gone for a moment, or the machine is busy.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { AdminError } from '../admin-call.mjs';

/** @typedef {import('../admin-call.mjs').AdminCall} AdminCall */

/** @param {unknown} error */
const isPassing = (error) =>
  error instanceof AdminError && (error.status === 0 || error.status >= 502);

/**
 * The same call; it gives up with the last error when `patienceMs` have gone by.
 * @param {AdminCall} call @param {number} patienceMs @returns {AdminCall}
 */
export const patiently = (call, patienceMs) => async (method, path, content) => {
  const endAt = performance.now() + patienceMs;
  for (let pauseMs = 100; ; pauseMs = Math.min(2 * pauseMs, 5000)) {
    try {
      return await call(method, path, content);
    } catch (error) {
      if (!isPassing(error) || performance.now() > endAt) throw error;
      await sleep(pauseMs);
    }
  }
};
