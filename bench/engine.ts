/**
 * One hash engine at work, a process of its own: `@node-rs/argon2` runs synchronously in threads of
 * ours, npm `argon2` in libuv's pool, whose size is set when the process starts. Each slice verifies
 * back to back on all threads for a given time.
 */
import { Worker } from 'node:worker_threads';
import { hash as hashByPackage, verify as verifyByPackage } from 'argon2';
import { serve } from './peer.js';
import { countInside } from './stats.js';

export type EngineName = 'node-rs' | 'argon2';
export type HashCost = { memoryCost: number; timeCost: number; parallelism: number };
type Span = { settleMs: number; windowMs: number };
/** Works back to back for so long; resolves with the first start and every end. */
type Lane = (forMs: number) => Promise<number[]>;

const password = 'correct horse battery staple';
let lanes: Lane[] = [];

const openThread = (encoded: string): Lane => {
  const path = new URL('./engine-thread.mjs', import.meta.url);
  const thread = new Worker(path, { workerData: { encoded, password } });
  return (forMs) =>
    new Promise((resolve, reject) => {
      thread.once('message', resolve);
      thread.once('error', reject);
      thread.postMessage(forMs);
    });
};

const openPool =
  (encoded: string): Lane =>
  async (forMs) => {
    let now = performance.now();
    const times = [now];
    for (const until = now + forMs; now < until; times.push(now)) {
      await verifyByPackage(encoded, password);
      now = performance.now();
    }
    return times;
  };

const calls = {
  prepare: async (options: { engine: EngineName; threads: number; cost: HashCost }) => {
    const encoded = await hashByPackage(password, options.cost);
    const open = options.engine === 'argon2' ? openPool : openThread;
    lanes = Array.from({ length: options.threads }, () => open(encoded));
    await Promise.all(lanes.map((lane) => lane(200)));
  },
  slice: async (span: Span) => {
    const all = await Promise.all(lanes.map((lane) => lane(span.settleMs + span.windowMs)));
    const bursts = all.map((times) => countInside(times, span));
    const counted = bursts.reduce((sum, burst) => sum + burst.counted, 0);
    const latencies = bursts.flatMap((burst) => burst.latencies);
    return { rate: (counted * 1000) / span.windowMs, latencies };
  },
};
export type EngineCalls = typeof calls;

serve(calls);
