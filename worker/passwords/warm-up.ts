/** The first hashes of the threads, so that no user waits for code to be compiled. */
import { randomBytes } from 'node:crypto';
import type { Policy } from './policy.js';
import type { Threads } from './threads.js';

/** Threads that have hashed, how long that took (ms), and the hash: no password is known to match it. */
export const warmUp = async (
  threads: Pick<Threads, 'warm'>,
  policy: Pick<Policy, 'hashWork'>,
): Promise<{ decoy: string; tookMs: number }> => {
  const work = policy.hashWork(randomBytes(24).toString('base64url'));
  await threads.warm(work);
  const startedAt = performance.now();
  const [decoy] = await threads.warm(work);
  if (typeof decoy !== 'string') throw new Error('the hash threads do not work');
  return { decoy, tookMs: performance.now() - startedAt };
};
