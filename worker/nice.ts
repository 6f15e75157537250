/** This process's place among the others of its machine. */
import { writeFileSync } from 'node:fs';
import { systemCodeOf } from '../shared/describe-error.js';

/** Linux takes one such change in 100 ms from all unprivileged processes together; others get EAGAIN. */
const againMs = 100;
const tries = 20;
let waiting: NodeJS.Timeout | undefined;

const write = (nice: number, left: number): void => {
  try {
    writeFileSync('/proc/self/autogroup', String(nice));
  } catch (error) {
    if (systemCodeOf(error) !== 'EAGAIN' || left === 0) return;
    const pauseMs = againMs * (1 + Math.random());
    waiting = setTimeout(() => write(nice, left - 1), pauseMs).unref();
  }
};

/**
 * Lets edges and Redis of the same machine go first. The hash threads are nice already, but Linux
 * groups processes by session and then compares threads only inside a group: a node in a session of
 * its own would get its full share. The group's own nice value (sched(7), autogroup) says the same
 * between groups. Kernels without it need CPU weights (README); failing here is harmless.
 */
export const yieldToOthers = (nice: number): void => {
  clearTimeout(waiting);
  write(nice, tries);
};
