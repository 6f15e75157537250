/**
 * The hash threads, and the one door to Piscina: it starts them at nice 19, keeps them alive and
 * replaces one that dies. Each runs a single task for its whole life (`task.ts`) and gets its work
 * over a port of its own, in order. Piscina's queue never fills, and its `close()`, which kills tasks
 * that still run, is never called: the owner drains first, then `stop` ends idle threads.
 * How many pieces of work a thread holds at once, and which one gets the next, admission decides.
 */
import { extname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { MessageChannel, type MessagePort } from 'node:worker_threads';
import { Piscina } from 'piscina';
import { AppError } from '../../shared/errors.js';
import type { Answer } from './task.js';
import type { Work } from './work.js';

/** Exactly one of the two is given. */
export type Done = (error: AppError | undefined, result: boolean | string | undefined) => void;
export type Threads = ReturnType<typeof createThreads>;

type Logs = { warn(fields: object, text: string): void; error(fields: object, text: string): void };
type Lane = {
  port: MessagePort;
  pending: Done[];
  sentAt: number;
  startedAt: number;
  isUp: boolean;
  ended: Promise<unknown>;
};

// Piscina loads it from its own folder, where no loader maps .js to .ts.
const taskUrl = new URL(`./task${extname(import.meta.url)}`, import.meta.url);
const restartPauseMs = 1000;
/** At the lowest priority beside a crowd, loading the code alone may take longer than ten. */
const startPatienceMs = 30_000;
const stuckMs = 10_000;

/** No refusal: whoever sent the work is to count it among this node's failures. */
const crashed = (cause: unknown) => new AppError('thread_lost', { cause });

export const createThreads = (options: {
  count: number;
  log: Logs;
  /** The code inside the thread; another file only in tests. */
  task?: URL;
  now?: () => number;
}) => {
  const { count, log, task = taskUrl } = options;
  const now = options.now ?? performance.now.bind(performance);
  // The queue has no bound: it holds the tasks of threads that could not start, and beside a full one Piscina
  // starts no thread that is missing.
  const pool = new Piscina({
    filename: task.href,
    minThreads: count,
    maxThreads: count,
    idleTimeout: Number.POSITIVE_INFINITY,
    concurrentTasksPerWorker: 1,
    // The task waits for events on its port, so Piscina must not block the thread between tasks.
    atomics: 'disabled',
    recordTiming: false,
    niceIncrement: 19,
  });
  // A thread that dies while idle is reported here; its lane sees the end of its task as well.
  pool.on('error', (err) => log.error({ err }, 'hash thread failed'));
  let isStopping = false;

  const onMessage = (lane: Lane, answer: Answer) => {
    lane.sentAt = now();
    if (!lane.isUp) {
      lane.isUp = true;
      return;
    }
    const done = lane.pending.shift();
    if (answer instanceof Error) done?.(new AppError('internal', { cause: answer }), undefined);
    else done?.(undefined, answer);
  };

  /** Another thread takes the place of this one; what this one held has not been done. */
  const replace = (index: number, lane: Lane, cause: unknown) => {
    if (lanes[index] !== lane) return;
    // A thread that dies at once must not be restarted in a tight loop.
    const pauseMs = now() - lane.startedAt > restartPauseMs ? 0 : restartPauseMs;
    log.error({ thread: index, pause_ms: pauseMs, err: cause }, 'hash thread died');
    lanes[index] = openLane(index, pauseMs);
    lane.port.close();
    for (const done of lane.pending.splice(0)) done(crashed(cause), undefined);
  };

  /** The lane takes work at once; its port holds it until the thread runs. */
  const openLane = (index: number, pauseMs: number): Lane => {
    const { port1: port, port2 } = new MessageChannel();
    const start = () => (isStopping ? port2.close() : pool.run(port2, { transferList: [port2] }));
    const ended = pauseMs === 0 ? Promise.resolve(start()) : sleep(pauseMs).then(start);
    const at = now();
    const started = { sentAt: at, startedAt: at + pauseMs, isUp: false };
    const lane: Lane = { port, pending: [], ...started, ended };
    port.on('message', (answer: Answer) => onMessage(lane, answer));
    ended.catch((cause: unknown) => isStopping || replace(index, lane, cause));
    // A thread that cannot even load its code leaves its task waiting in Piscina for ever.
    const onLate = () => lane.isUp || isStopping || replace(index, lane, undefined);
    setTimeout(onLate, pauseMs + startPatienceMs).unref();
    return lane;
  };

  const lanes: Lane[] = Array.from({ length: count }, (_, index) => openLane(index, 0));

  /** Answers come in the order of sending. `done` is called exactly once, never synchronously. */
  const send = (index: number, work: Work, done: Done): void => {
    const lane = lanes[index];
    if (lane === undefined) throw new AppError('internal', { detail: 'no such thread' });
    if (lane.pending.length === 0) lane.sentAt = now();
    lane.pending.push(done);
    lane.port.postMessage(work);
  };

  const ask = (index: number, work: Work): Promise<unknown> =>
    new Promise((resolve, reject) => {
      send(index, work, (error, result) => (error === undefined ? resolve(result) : reject(error)));
    });

  /** One piece of work on every thread; rejects when a thread cannot start. */
  const warm = async (work: Work): Promise<unknown[]> => {
    const started = lanes.map(({ ended }) => ended.then(() => undefined));
    return Promise.all(lanes.map((_, index) => Promise.race([ask(index, work), started[index]])));
  };

  /** Idle threads answer a ping; a busy one is alive while its oldest work is not overdue. */
  const areAlive = async (): Promise<boolean> => {
    const isStuck = (lane: Lane) => lane.pending.length > 0 && now() - lane.sentAt > stuckMs;
    if (lanes.some(isStuck)) return false;
    const idle = lanes.flatMap((lane, index) => (lane.pending.length === 0 ? [index] : []));
    await Promise.all(idle.map((index) => ask(index, ['ping'])));
    return true;
  };

  /** Call it when nothing is in flight: ends the threads. */
  const stop = async (): Promise<void> => {
    isStopping = true;
    for (const lane of lanes) lane.port.close();
    await Promise.allSettled(lanes.filter(({ isUp }) => isUp).map(({ ended }) => ended));
    await pool.destroy();
  };

  return { send, warm, areAlive, stop };
};
