/**
 * A worker node whose new hashes are cheaper than its settings allow, so that a campaign over many
 * records ends while one looks on. Everything else is the real node, its hash threads included. A
 * process of its own, to be killed.
 */
import { createLog } from '../../shared/log.js';
import { loadConfig } from '../../worker/config.js';
import type { Target } from '../../worker/passwords/formats/format.js';
import { startWorker } from '../../worker/server.js';
import { serve } from '../peer.js';

const log = createLog({ level: 'error', role: 'worker' });

const calls = {
  start: async ({ env, target }: { env: Record<string, string>; target: Target }) => {
    const config = { ...loadConfig(env, process.pid), target };
    await startWorker({ config, lifecycle: { onStop: () => {} }, log });
  },
};
export type CheapNodeCalls = typeof calls;

serve(calls);
