/**
 * The reference: what the hash threads could do if nothing else had to be done. As many threads as
 * the system has, made by Piscina with the options of worker/passwords/threads.ts, at the same nice
 * value, running the very function of the product's threads from dist; only nobody hands work
 * over: each thread verifies back to back until the slice is over, then sleeps.
 */
import { Piscina } from 'piscina';
import { isUsable, readHash } from '../worker/passwords/formats/formats.js';
import type { Work } from '../worker/passwords/work.js';
import { serve } from './peer.js';
import { countInside } from './stats.js';

type Span = { settleMs: number; windowMs: number };

const threadFile = new URL('./loop-thread.mjs', import.meta.url).href;
const workFile = new URL('../dist/worker/work.js', import.meta.url).href;
type Job = { workFile: string; work: Work; forMs: number };
let prepared: { pool: Piscina<Job, number[]>; work: Work; threads: number } | undefined;

/** Hashes per second of all threads together, and how many there were in the whole slice. */
const runAll = async (span: Span) => {
  if (prepared === undefined) throw new Error('not prepared');
  const { pool, work, threads } = prepared;
  const job = { workFile, work, forMs: span.settleMs + span.windowMs };
  const all = await Promise.all(Array.from({ length: threads }, () => pool.run(job)));
  const counts = all.map((times) => countInside(times, span).counted);
  const rate = (counts.reduce((sum, count) => sum + count, 0) * 1000) / span.windowMs;
  return { rate, done: all.reduce((sum, times) => sum + times.length - 1, 0) };
};

const calls = {
  prepare: async (options: { threads: number; hash: string; password: string }) => {
    const { threads } = options;
    const hash = readHash(options.hash);
    if (!isUsable(hash)) throw new Error(`the hash cannot be used: ${hash}`);
    const work = hash.verify(options.password);
    const pool = new Piscina<Job, number[]>({
      filename: threadFile,
      minThreads: threads,
      maxThreads: threads,
      idleTimeout: Number.POSITIVE_INFINITY,
      concurrentTasksPerWorker: 1,
      atomics: 'disabled',
      recordTiming: false,
      niceIncrement: 19,
    });
    prepared = { pool, work, threads };
    await runAll({ settleMs: 0, windowMs: 300 });
  },
  slice: runAll,
};
export type LoopCalls = typeof calls;

serve(calls);
