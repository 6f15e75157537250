/**
 * Keeps one process up: starts it, starts it again with a growing pause whenever it ends, replaces it
 * by a new one on request, and stops it for good. What is started, and how one sees that it serves, is the
 * caller's `launch`.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { codeOf } from './files.mjs';
import { killGroup, signalProcess, waitGroupGone } from './processes.mjs';
import { Refusal, sayShort } from './refusal.mjs';

/**
 * A started process: `ready` resolves when it serves, `gone` when it has ended (with the reason).
 * @typedef {{
 *   identity: import('./processes.mjs').Identity, isAdopted: boolean, ready: Promise<void>,
 *   gone: Promise<string>, lastWords: () => string,
 * }} Running
 */
/** @typedef {ReturnType<typeof createKeeper>} Keeper */

const firstPauseMs = 100;
const longestPauseMs = 5000;
const healthyMs = 10_000; // up for so long: the next pause is short again
const killWaitMs = 2000;
const pollMs = 50;
const strayMs = 1000; // for the children of a program that has ended

/**
 * Why it does not serve, in its own words too.
 * @param {string} problem
 * @param {Running | undefined} running
 */
const withWords = (problem, running) => {
  const words = (running?.lastWords() ?? '').replace(/\s*\n\s*/g, ' ');
  return words === '' ? problem : `${problem}: ${words}`;
};

/**
 * @param {{
 *   name: string, launch: () => Promise<Running>, say: (text: string) => void,
 *   changed?: () => void, readyTimeoutMs?: number, replaceTimeoutMs?: number,
 * }} options `changed` is called when `identity()` has a new value, to write it down.
 */
export const createKeeper = ({
  name,
  launch,
  say,
  changed = () => {},
  readyTimeoutMs = 60_000,
  replaceTimeoutMs = 15_000,
}) => {
  /** @type {Running | undefined} */
  let running;
  /** It serves, as far as we know; only then may it be replaced. */
  let isUp = false;
  /** @type {Promise<unknown>} */
  let launching = Promise.resolve();
  const stopping = new AbortController();
  let told = '';

  /** What cannot be written down, on a full disk say, lives on all the same. */
  const note = () => {
    try {
      changed();
      told = '';
    } catch (error) {
      const problem = codeOf(error);
      if (problem !== told)
        say(
          `${name}: its process cannot be written down (${problem}), so that a start after we ` +
            'were killed would not know of it. See that files can be written in DATA_DIR.',
        );
      told = problem;
    }
  };

  /** Undefined when it serves, else why it does not. */
  const bringUp = async () => {
    const launched = launch();
    launching = launched.catch(() => {});
    const started = await launched;
    running = started;
    note();
    const timeout = sleep(readyTimeoutMs, 'not ready in time', { ref: false });
    const ready = started.ready.then(() => undefined);
    const problem = await Promise.race([ready, started.gone, timeout]);
    isUp = problem === undefined;
    return problem;
  };

  const end = async (/** @type {Running} */ process) => {
    killGroup(process.identity);
    await waitGroupGone(process.identity, killWaitMs);
  };

  const keep = async () => {
    let pauseMs = firstPauseMs;
    while (!stopping.signal.aborted) {
      const upSince = performance.now();
      const watched = running;
      const reason = await watched?.gone;
      if (stopping.signal.aborted) return;
      if (running !== watched) continue; // replaced on purpose
      isUp = false;
      if (performance.now() - upSince > healthyMs) pauseMs = firstPauseMs;
      say(`${name} ended (${reason}), starting it again`);
      for (;;) {
        // Its group first: a gateway's edges must not outlive it and hold on to anything.
        if (running !== undefined) await end(running);
        await sleep(pauseMs, undefined, { signal: stopping.signal }).catch(() => {});
        if (stopping.signal.aborted) return;
        pauseMs = Math.min(pauseMs * 2, longestPauseMs);
        const problem = await bringUp().then((why) => why && withWords(why, running), sayShort);
        if (stopping.signal.aborted) return;
        if (problem === undefined) break;
        say(`${name} did not start (${problem}), trying again`);
      }
      say(`${name} is back`);
    }
  };

  /** Rejects with Refusal when the process does not come up. */
  const start = async () => {
    const problem = await bringUp();
    if (problem === undefined) {
      keep().catch((error) => say(`${name}: ${error.message}`));
      return { isAdopted: running?.isAdopted === true };
    }
    const words = running?.lastWords() ?? '';
    if (running !== undefined) await end(running);
    throw new Refusal(words === '' ? `${name} did not start: ${problem}.` : words);
  };

  /**
   * A new process beside the old one, which is asked to end only when the new one serves. Resolves to
   * why there was no change, or undefined. Nobody else may stop or replace it meanwhile.
   */
  const replace = async (/** @type {number} */ deadlineMs) => {
    // What is being started anew just now may have read the old settings: it is replaced afterwards.
    const giveUpAt = performance.now() + replaceTimeoutMs;
    while (!isUp && !stopping.signal.aborted && performance.now() < giveUpAt) await sleep(pollMs);
    const old = running;
    if (old === undefined || stopping.signal.aborted) return 'is not running';
    if (!isUp) return 'the old one does not start either';
    const next = await launch();
    const late = sleep(replaceTimeoutMs, 'not ready in time', { ref: false });
    const problem = await Promise.race([next.ready.then(() => undefined), next.gone, late]);
    if (problem !== undefined || running !== old || !isUp || stopping.signal.aborted) {
      // One that serves must leave the registry, or nobody finds the one that stays.
      if (problem === undefined) {
        signalProcess(next.identity, 'SIGTERM');
        await Promise.race([next.gone, sleep(deadlineMs, undefined, { ref: false })]);
      }
      await end(next);
      return problem === undefined ? 'ended meanwhile' : withWords(problem, next);
    }
    running = next;
    note();
    signalProcess(old.identity, 'SIGTERM');
    await Promise.race([old.gone, sleep(deadlineMs, undefined, { ref: false })]);
    await end(old);
    return undefined;
  };

  /** Resolves to how it ended: by itself, or killed after the deadline. */
  const stop = async (/** @type {number} */ deadlineMs) => {
    stopping.abort();
    await launching;
    if (running === undefined) return 'was not running';
    signalProcess(running.identity, 'SIGTERM');
    const late = sleep(deadlineMs, undefined, { ref: false });
    const reason = await Promise.race([running.gone, late]);
    if (reason !== undefined) await waitGroupGone(running.identity, strayMs);
    await end(running);
    if (reason !== undefined) return 'stopped';
    return `killed, it was still busy after ${deadlineMs / 1000} s`;
  };

  /** For a hurried exit: asks, waits for nothing. */
  const abandon = () => {
    stopping.abort();
    if (running !== undefined) signalProcess(running.identity, 'SIGTERM');
  };

  const signal = (/** @type {NodeJS.Signals} */ what) => {
    if (running !== undefined) signalProcess(running.identity, what);
  };

  return { name, start, stop, replace, signal, abandon, identity: () => running?.identity };
};
