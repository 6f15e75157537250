/** GET /selftest: cheap, and proves that the event loop turns and the hash threads answer. */
import { AppError } from '../../shared/errors.js';
import type { Route } from '../../shared/http.js';
import type { Threads } from '../passwords/threads.js';

export const createSelftest = ({ threads }: { threads: Threads }): Route => ({
  method: 'GET',
  path: '/selftest',
  body: 'none',
  handle: async () => {
    if (!(await threads.areAlive())) throw new AppError('timeout', { detail: 'a thread is stuck' });
    return { status: 200, body: { ok: true } };
  },
});
