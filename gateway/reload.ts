/**
 * Replaces the gateway's processes one at a time: new code, certificates and secrets without a request lost. The new
 * one comes first, then the old one drains; one that does not become ready ends the reload, and the old ones stay.
 */
import type { Worker } from 'node:cluster';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Lifecycle } from '../shared/lifecycle.js';
import type { Role, Slot } from './children.js';

type Logs = { info(fields: object, text: string): void; error(fields: object, text: string): void };

const readyMs = 10_000;
/** Between two edges that are replaced: a start takes most of a processor, and what waited for it passes. */
const settleMs = 1000;

export const createReload = ({
  slots,
  fork,
  drain,
  leaveMs,
  isServing,
  lifecycle,
  log,
}: {
  /** The places; those that are replaced are changed here. */
  slots: Slot[];
  fork: (role: Role) => Slot;
  drain: (worker: Worker, limitMs?: number) => Promise<void>;
  /** What an old one has to end. */
  leaveMs: number;
  isServing: () => boolean;
  lifecycle: Lifecycle;
  log: Logs;
}) => {
  let isReloading = false;
  let isAsked = false;

  const becameReady = async (slot: Slot): Promise<boolean> => {
    for (let waited = 0; waited < readyMs && !slot.worker.isDead(); waited += 50) {
      if (slot.isReady) return true;
      await sleep(50);
    }
    return slot.isReady && !slot.worker.isDead();
  };

  const replace = async (at: number, old: Slot): Promise<boolean> => {
    const next = fork(old.role);
    const isReady = await becameReady(next);
    // Then the stop ends it as it ends all: politely if it serves.
    if (lifecycle.stopping()) return false;
    if (!isReady) {
      next.worker.process.kill('SIGKILL');
      return false;
    }
    // The old one may have been lost meanwhile, and another be in its place, or about to be.
    const current = slots[at] ?? old;
    if (current !== old && current.isReady) return drain(next.worker).then(() => true);
    slots[at] = next;
    await drain(current.worker, leaveMs);
    return true;
  };

  const tellWhy = (err: unknown): boolean => {
    log.error({ err }, 'no process can be started');
    return false;
  };

  const reload = async (): Promise<void> => {
    // One that comes during a reload is about something newer: it is done afterwards.
    isAsked = true;
    if (isReloading || !isServing()) return;
    isReloading = true;
    isAsked = false;
    log.info({}, 'reloading');
    for (const [at, old] of slots.entries()) {
      // Whoever is forked now would be missed by the stop.
      if (lifecycle.stopping()) break;
      if (await replace(at, old).catch(tellWhy)) {
        await sleep(settleMs);
        continue;
      }
      log.error({ role: old.role }, 'reload aborted: the new process did not become ready');
      break;
    }
    isReloading = false;
    log.info({}, 'reload ended');
    if (isAsked && !lifecycle.stopping()) await reload();
  };

  return {
    reload,
    /** One that was asked for while the edges started: they may have read what was there before. */
    whenServing: (): void => {
      if (isAsked && !lifecycle.stopping()) void reload();
    },
  };
};
