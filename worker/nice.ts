/** This process's place among the others of its machine. */
import { writeFileSync } from 'node:fs';

/**
 * Lets edges and Redis of the same machine go first. The hash threads are nice already, but Linux
 * groups processes by session and then compares threads only inside a group: a node in a session of
 * its own would get its full share. The group's own nice value (sched(7), autogroup) says the same
 * between groups. Kernels without it need CPU weights (README); failing here is harmless.
 */
export const yieldToOthers = (nice: number): void => {
  try {
    writeFileSync('/proc/self/autogroup', String(nice));
  } catch {}
};
