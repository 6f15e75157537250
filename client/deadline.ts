/**
 * Time for a call and for each of its attempts: one signal that aborts when the time is over or when
 * the caller's own signal does, with the typed error as its reason.
 */
import { FloodgateError } from './errors.js';

/** What a call has where nobody says otherwise. */
export const callTimeoutMs = 10_000;

/** Less is no time for an answer: nothing is sent that late after a pause, to be done for nobody. */
export const usefulMs = 500;

/** Longer ones fire at once. */
const longestTimerMs = 2 ** 31 - 1;

export type Sleep = (ms: number, signal: AbortSignal) => Promise<void>;
export type Deadline = ReturnType<typeof createDeadline>;

export const createDeadline = ({
  timeoutMs,
  code,
  signal: outer,
  now,
}: {
  timeoutMs: number;
  code: 'deadline_exceeded' | 'attempt_timeout';
  /** Its reason is taken over when it is one of ours. */
  signal: AbortSignal | undefined;
  now: () => number;
}) => {
  const controller = new AbortController();
  const at = now() + timeoutMs;
  const giveUp = () => controller.abort(new FloodgateError(code));
  const timer = setTimeout(giveUp, Math.min(timeoutMs, longestTimerMs));
  const follow = () => {
    const reason: unknown = outer?.reason;
    const error = reason instanceof FloodgateError ? reason : new FloodgateError('aborted');
    controller.abort(error);
  };
  if (outer?.aborted) follow();
  else outer?.addEventListener('abort', follow, { once: true });
  return {
    signal: controller.signal,
    leftMs: () => at - now(),
    /** Leaves no timer and no listener behind. */
    clear: () => {
      clearTimeout(timer);
      outer?.removeEventListener('abort', follow);
    },
  };
};

/** Why it was aborted; always one of our errors. */
export const reasonOf = (signal: AbortSignal): FloodgateError =>
  signal.reason instanceof FloodgateError ? signal.reason : new FloodgateError('aborted');

/** Settles with `work`, or rejects as soon as the signal aborts, whether or not `work` listens to it. */
export const orAborted = <T>(work: Promise<T>, signal: AbortSignal): Promise<T> =>
  new Promise<T>((resolve, reject) => {
    const onAbort = () => reject(reasonOf(signal));
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });

/**
 * Settles with `work`, or rejects with deadline_exceeded when that takes longer. Its own time begins after
 * that of deadlines inside of `work`: they end first, and say more.
 */
export const inTime = async <T>(
  work: () => Promise<T>,
  { timeoutMs, now }: { timeoutMs: number; now: () => number },
): Promise<T> => {
  const working = work();
  const limits = { timeoutMs, code: 'deadline_exceeded', signal: undefined, now } as const;
  const deadline = createDeadline(limits);
  try {
    return await orAborted(working, deadline.signal);
  } finally {
    deadline.clear();
  }
};

export const sleep: Sleep = (ms, signal) => {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const over = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms);
  });
  return orAborted(over, signal).finally(() => clearTimeout(timer));
};
