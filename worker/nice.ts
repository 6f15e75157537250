/** This process's place among the others of its machine. */
import { writeFileSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';

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

/**
 * Whether V8 compiles hot code anew, optimised. What runs at a start runs once: compiling it in threads
 * beside took a fifth of a node's start (0.57 s of CPU), from processors that others hash on. V8 lets
 * it be changed at any time, for all threads of the process.
 */
export const optimiseCode = (isWanted: boolean): void =>
  setFlagsFromString(isWanted ? '--opt' : '--no-opt');
