/**
 * The line to one issuer: every call to it goes through here, past a breaker, in its turn and within a
 * time limit. A call that fails makes nothing invalid: it throws
 * issuer_unavailable, the answer "unknown".
 */
import { type AppError, isAppError } from '../../shared/errors.js';
import { whenLate } from '../../shared/late.js';
import { createBreaker } from './breaker.js';
import { createGate } from './gate.js';
import { unavailable } from './unavailable.js';

export type Line = ReturnType<typeof createLine>;
export type LineLog = {
  warn(fields: object, text: string): void;
  info(fields: object, text: string): void;
};

/** With the longest wait for a turn 2 s: a token check must be over within 2.5 s. The wait is apart,
 *  or calls that got their turn late would fail for lack of time and open the breaker. */
const defaultTimeoutMs = 1500;
const limits = { max: 32, maxWaiting: 512, maxWaitMs: 500 };

export const createLine = ({
  name,
  failuresToOpen,
  log,
  timeoutMs = defaultTimeoutMs,
  now = () => performance.now(),
  random = Math.random,
}: {
  name: string;
  failuresToOpen: number;
  log: LineLog;
  timeoutMs?: number;
  now?: () => number;
  random?: () => number;
}) => {
  const breaker = createBreaker({ failuresToOpen, now, random });
  const gate = createGate(limits);
  const counts = { ok: 0, failed: 0, refused: 0 };

  const refuse = (why: string): AppError => {
    counts.refused++;
    return unavailable(`${name}: ${why}`, Math.max(1000, breaker.waitMs()));
  };

  const succeeded = (ticket: number) => {
    const before = breaker.kind();
    breaker.succeeded(ticket);
    counts.ok++;
    if (before !== 'closed' && breaker.kind() === 'closed')
      log.info({ issuer: name }, 'an external issuer answers again');
  };

  const failed = (ticket: number, cause: unknown): AppError => {
    const before = breaker.kind();
    breaker.failed(ticket);
    counts.failed++;
    if (before !== 'open' && breaker.kind() === 'open')
      log.warn({ issuer: name, err: cause }, 'an external issuer does not answer as it should');
    return unavailable(name, Math.max(1000, breaker.waitMs()), cause);
  };

  const askInTime = async <T>(ask: (signal: AbortSignal) => Promise<T>): Promise<T> => {
    const patience = new AbortController();
    const stopWaiting = whenLate(timeoutMs, () => patience.abort(new Error('no answer in time')));
    return ask(patience.signal).finally(stopWaiting);
  };

  const askNow = async <T>(ask: (signal: AbortSignal) => Promise<T>): Promise<T> => {
    // Asked here and not before the wait: it may have opened meanwhile.
    const ticket = breaker.enter();
    if (ticket === undefined) throw refuse('breaker');
    try {
      const answer = await askInTime(ask);
      succeeded(ticket);
      return answer;
    } catch (cause) {
      // An answer all the same, which decides nothing about this one token.
      if (isAppError(cause)) succeeded(ticket);
      throw isAppError(cause) ? cause : failed(ticket, cause);
    }
  };

  return {
    /** `ask` throws for everything that is no proper answer, and ends when the signal says so. */
    call: async <T>(ask: (signal: AbortSignal) => Promise<T>): Promise<T> => {
      if (breaker.kind() === 'open') throw refuse('breaker');
      if (!(await gate.enter())) throw refuse('too many calls');
      try {
        return await askNow(ask);
      } finally {
        gate.leave();
      }
    },
    isFailing: (): boolean => breaker.kind() !== 'closed',
    stats: () => ({ ...counts, state: breaker.kind() }),
  };
};
