/**
 * The reference: what the hash threads could do if nothing else had to be done. As many threads as
 * the system has, made by Piscina with the options of worker/passwords/threads.ts, at the same nice
 * value, running the very function of the product's threads from dist; only nobody hands work
 * over: each thread verifies back to back until the slice is over, then sleeps.
 */
import { Piscina } from 'piscina';
import { serve } from './peer.js';
import { countInside } from './stats.js';

type Span = { settleMs: number; windowMs: number };

const threadFile = new URL('./loop-thread.mjs', import.meta.url).href;
const workFile = new URL('../dist/worker/work.js', import.meta.url).href;
const job = { workFile, hash: '', password: '' };
let pool: Piscina<typeof job & { forMs: number }, number[]> | undefined;
let threads = 0;

/** Hashes per second of all threads together, and how many there were in the whole slice. */
const runAll = async (span: Span) => {
  const work = { ...job, forMs: span.settleMs + span.windowMs };
  const running = Array.from({ length: threads }, async () => (await pool?.run(work)) ?? []);
  const all = await Promise.all(running);
  const counts = all.map((times) => countInside(times, span).counted);
  const rate = (counts.reduce((sum, count) => sum + count, 0) * 1000) / span.windowMs;
  return { rate, done: all.reduce((sum, times) => sum + times.length - 1, 0) };
};

const calls = {
  prepare: async (options: { threads: number; hash: string; password: string }) => {
    threads = options.threads;
    job.hash = options.hash;
    job.password = options.password;
    pool = new Piscina({
      filename: threadFile,
      minThreads: threads,
      maxThreads: threads,
      idleTimeout: Number.POSITIVE_INFINITY,
      concurrentTasksPerWorker: 1,
      atomics: 'disabled',
      recordTiming: false,
      niceIncrement: 19,
    });
    await runAll({ settleMs: 0, windowMs: 300 });
  },
  slice: runAll,
};
export type LoopCalls = typeof calls;

serve(calls);
