/** What the programs that pm2 starts have in common: how they are told to stop, and how they end. */
import { explain } from './refusal.mjs';

/** @param {string} text */
export const say = (text) => console.log(text);

/**
 * Runs `main` until it ends. `stopping` is aborted, and `stopAsked` resolves, when pm2 says so or is gone. Ends with
 * 1 when `main` rejects, and says why: in one sentence if that is a Refusal.
 * @param {(told: { stopping: AbortSignal, stopAsked: Promise<void> }) => Promise<void>} main
 */
export const runApp = async (main) => {
  // A reload that is asked for before anything was read has nothing to do, and must not end us.
  process.on('SIGHUP', () => {});
  const stopping = new AbortController();
  /** @type {Promise<void>} */
  const stopAsked = new Promise((resolve) => {
    stopping.signal.addEventListener('abort', () => resolve());
  });
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => stopping.abort());
  process.on('disconnect', () => stopping.abort());
  try {
    await main({ stopping: stopping.signal, stopAsked });
    process.exit(0);
  } catch (error) {
    console.error(explain(error));
    process.exit(1);
  }
};
