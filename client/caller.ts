/**
 * From a call to its answer: deadline, lane, attempts, repeats. Every call ends in time, with an answer
 * or a FloodgateError, whatever the server does; over all calls the repeats stay inside the budget.
 */
import {
  type Answer,
  createAttempt,
  type Failed,
  type Fetch,
  type Outcome,
  type Request,
} from './answer.js';
import type { OnBehalf } from './arguments.js';
import { createClock } from './clock.js';
import {
  callTimeoutMs,
  createDeadline,
  type Deadline,
  orAborted,
  sleep as realSleep,
  type Sleep,
  usefulMs,
} from './deadline.js';
import { FloodgateError } from './errors.js';
import { createLane, type Lane } from './lane.js';
import {
  type BudgetOptions,
  createBackoff,
  createBudget,
  mayRepeat,
  type RuleName,
  repeatWindowMs,
} from './retry.js';

export type CallerOptions = {
  fetch?: Fetch;
  /** Milliseconds since 1970. */
  now?: () => number;
  random?: () => number;
  /** Rejects when the signal aborts. */
  sleep?: Sleep;
  /** Calls in flight, and calls in line behind them; for password work and for the rest separately. */
  maxConcurrent?: number;
  maxQueued?: number;
  retryBudget?: BudgetOptions;
  /** For a call with all its waiting and repeats, and for one attempt. */
  timeoutMs?: number;
  attemptTimeoutMs?: number;
};

/** What every single call may say; beside it for whom, see arguments.ts. */
export type CallOptions = { signal?: AbortSignal; timeoutMs?: number } & OnBehalf;

export type Call = {
  lane: 'password' | 'session';
  rule: RuleName;
  /** Made for each attempt afresh: a signed assertion is good for one. */
  request: () => Request | Promise<Request>;
};

/** Until when an attempt may be sent. */
type Turn = Pick<Deadline, 'signal' | 'leftMs'>;

const maxRepeats = 2;
/** Over which those come back who sat out a pause: the server has given each of them another one already. */
const maxStretchMs = 2000;

/**
 * What the server says of itself, or a proxy of it. Any other 503 is about one token or one account (its issuer cannot
 * be asked, a key of its hash is missing): whoever sends such a token must not hold up everybody else.
 */
const aboutAll = ['overloaded', 'no_node', 'store_unavailable', 'status_503'];

const pausesAll = ({ status, code, retryAfterMs }: FloodgateError): boolean =>
  status === 503 && retryAfterMs !== undefined && aboutAll.includes(code);

export const createCaller = (options: CallerOptions = {}) => {
  const { random = Math.random, sleep = realSleep, maxConcurrent = 32, maxQueued = 256 } = options;
  const { timeoutMs = callTimeoutMs, attemptTimeoutMs = 5000, now = createClock() } = options;
  // Bound when called: whoever replaces the global one is meant.
  const fetch: Fetch = options.fetch ?? ((...given) => globalThis.fetch(...given));
  const backoff = createBackoff({ random });
  const budget = createBudget(options.retryBudget);
  const attempt = createAttempt({ fetch, now });
  const stretch = createBackoff({ random, capMs: maxStretchMs });
  const openLane = () => createLane({ maxConcurrent, maxQueued, stretch, now, sleep });
  /** A full house at the password nodes says nothing about checks and refreshes. */
  const lanes = { password: openLane(), session: openLane() };

  const tryOnce = async (call: Call, lane: Lane, deadline: Deadline): Promise<Outcome> => {
    const request = await orAborted(Promise.resolve(call.request()), deadline.signal);
    const limits = { timeoutMs: attemptTimeoutMs, code: 'attempt_timeout', now } as const;
    const its = createDeadline({ ...limits, signal: deadline.signal });
    try {
      const outcome = await attempt(request, its.signal);
      const error = 'error' in outcome ? outcome.error : undefined;
      if (error === undefined || error.kind === 'rejected') lane.resume();
      else if (pausesAll(error))
        lane.pause(error.retryAfterMs ?? 0, { isFull: error.code === 'overloaded' });
      return outcome;
    } finally {
      its.clear();
    }
  };

  /** Resolves after the pause that a repeat takes, with whether there may be one. */
  const isRepeated = async (
    call: Call,
    failed: Failed,
    tries: number,
    { signal, leftMs }: Turn,
  ) => {
    const { error, failure } = failed;
    if (tries >= maxRepeats || !mayRepeat(call.rule, failure, tries)) return false;
    const waitMs = backoff(tries, error.retryAfterMs);
    // Who was told to wait is in no hurry; a lost connection is repeated at once, however short the call's time.
    const neededMs = error.retryAfterMs === undefined ? 0 : usefulMs;
    if (signal.aborted || waitMs + neededMs >= leftMs() || !budget.spend()) return false;
    // After a 503 the lane keeps everybody waiting, this caller too.
    if (!pausesAll(error)) await sleep(waitMs, signal);
    return true;
  };

  const repeat = async (call: Call, deadline: Deadline): Promise<Answer> => {
    const lane = lanes[call.lane];
    let sendBy = Number.POSITIVE_INFINITY;
    let last: FloodgateError | undefined;
    const leftMs = () => Math.min(deadline.leftMs(), sendBy - now());
    const turn: Turn = { signal: deadline.signal, leftMs };
    // What the server said tells more than why it was not asked again.
    const giveUp = (error: unknown): never => {
      const isWithdrawn = error instanceof FloodgateError && error.code === 'aborted';
      throw isWithdrawn ? error : (last ?? error);
    };
    const work = () => {
      // In line, or in somebody else's pause, the time for a repeat may have passed.
      if (last !== undefined && now() > sendBy) throw last;
      return tryOnce(call, lane, deadline);
    };
    for (let tries = 0; ; tries++) {
      const outcome = await lane.run(turn, work).catch(giveUp);
      if (!('error' in outcome)) return outcome;
      last = outcome.error;
      if (last.mayHaveRun) sendBy = Math.min(sendBy, outcome.sentAt + repeatWindowMs(call.rule));
      if (!(await isRepeated(call, outcome, tries, turn).catch(giveUp))) throw last;
    }
  };

  /** The answer of a 2xx status; throws FloodgateError otherwise. */
  return async (call: Call, its: CallOptions = {}): Promise<Answer> => {
    const limits = { timeoutMs: its.timeoutMs ?? timeoutMs, code: 'deadline_exceeded' } as const;
    const deadline = createDeadline({ ...limits, signal: its.signal, now });
    budget.earn();
    try {
      return await repeat(call, deadline);
    } finally {
      deadline.clear();
    }
  };
};

export type Caller = ReturnType<typeof createCaller>;
