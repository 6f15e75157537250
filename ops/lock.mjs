/**
 * One data directory, one launcher: `launcher.lock` names its holder and the processes it started.
 * A lock whose holder is dead is taken over, together with that list, so that what a killed launcher
 * left behind can be waited for. Taking over is serialised by a second file, `….claim`: without it
 * two starters could both see the dead holder and the slower one would remove the winner's lock.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { createOnce, readIfThere, removeIfThere, replaceFile } from './files.mjs';
import { identify, isAlive } from './processes.mjs';
import { Refusal } from './refusal.mjs';

/** @typedef {import('./processes.mjs').Identity} Identity */
/** @typedef {Identity & { name: string }} Child */
/** @typedef {Identity & { children: Child[] }} Content */

/** @param {string | undefined} text @returns {Content | undefined} */
const parse = (text) => {
  try {
    const content = JSON.parse(text ?? '');
    const isRight = Number.isInteger(content.pid) && Array.isArray(content.children);
    return isRight ? content : undefined;
  } catch {
    return undefined;
  }
};

/**
 * Replaces a dead holder's lock by ours. False when somebody else was faster.
 * @param {string} path
 * @param {string} deadText
 * @param {string} ours
 */
const takeOver = (path, deadText, ours) => {
  const claim = `${path}.claim`;
  if (!createOnce(claim, ours)) {
    const claimant = parse(readIfThere(claim));
    if (claimant !== undefined && !isAlive(claimant)) removeIfThere(claim);
    return false;
  }
  try {
    // Whoever held the claim before us has finished: what is there now stays until we change it.
    if (readIfThere(path) !== deadText) return false;
    replaceFile(path, ours);
    return true;
  } finally {
    removeIfThere(claim);
  }
};

/**
 * Takes the lock or throws Refusal, which says in the words of `taken` that somebody has it.
 * `previous` lists what a dead holder had started; `record` keeps our own list, `release` gives the
 * lock back.
 * @param {string} path
 * @param {string} [taken]
 */
export const takeLock = async (path, taken = 'Floodgate is already running') => {
  const me = identify(process.pid);
  /** @param {Child[]} children */
  const format = (children) => `${JSON.stringify({ ...me, children })}\n`;

  const held = (/** @type {Child[]} */ previous) => ({
    previous,
    record: (/** @type {Child[]} */ children) => replaceFile(path, format(children)),
    release: () => {
      const content = parse(readIfThere(path));
      if (content?.pid === me.pid && content.started === me.started) removeIfThere(path);
    },
  });

  for (;;) {
    const text = readIfThere(path);
    if (text === undefined) {
      if (createOnce(path, format([]))) return held([]);
      continue;
    }
    const holder = parse(text);
    if (holder !== undefined && isAlive(holder)) throw new Refusal(`${taken} (pid ${holder.pid}).`);
    const children = holder?.children ?? [];
    if (takeOver(path, text, format(children))) return held(children);
    await sleep(20);
  }
};

/**
 * The lock as soon as nobody else has it; undefined when `signal` came first.
 * @param {string} path
 * @param {AbortSignal} signal
 */
export const waitForLock = async (path, signal) => {
  while (!signal.aborted) {
    try {
      return await takeLock(path);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
    }
    await sleep(100);
  }
  return undefined;
};
