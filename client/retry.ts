/**
 * When a call may be repeated, and after which pause. Pure: no clock, no timer, no network, so that
 * whoever has connections of their own (the benches) keeps to the same policy.
 * Full jitter (AWS Architecture Blog, "Exponential Backoff and Jitter", 2015) on top of what
 * `Retry-After` asks for, inside a budget like gRPC's (proposal A6) and that of Google's SRE book,
 * ch. 21: repeats are a tenth of the calls at most, or they would keep an overload alive.
 */

/** How one attempt failed. `not_sent`: surely before the server saw anything of it. */
export type Failure =
  | { how: 'answer'; status: number; code: string }
  | { how: 'not_sent' }
  | { how: 'lost' }
  | { how: 'timeout' };

export type Rule = {
  /** 503 of which the server does not say that it did nothing. */
  unclear: boolean;
  /** How often after a lost connection, or a 502, which is a proxy's word for one. */
  lost: number;
  /** After an attempt that took too long, here or (504) there. */
  late: boolean;
  /** Repeats are sent no later than this after the first attempt that the server may have seen. */
  withinMs?: number;
};

/**
 * - `idempotent`: checks, logout, the ending of sessions, client credentials.
 * - `refresh`: the same, but only within the ten seconds in which the server answers a repeat with the
 *   same successor; a later one is taken for a thief's and ends the session. One second is for the way.
 * - `login`: writes nothing where it runs, so repeating is safe; but the lost one may have counted as
 *   a wrong password, so it is repeated once, and never while the first may still be hashing. Also a
 *   reset, where the same token with the same password again is answered as the first time.
 * - `change`: a password change continues where a 503 left it; when its answer is lost, the token that
 *   asked for it may be dead, and a repeat would only say so.
 * - `write`: registration, where a repeat would meet its own first try.
 */
export const rules = {
  idempotent: { unclear: true, lost: 2, late: true },
  refresh: { unclear: true, lost: 2, late: true, withinMs: 9000 },
  login: { unclear: true, lost: 1, late: false },
  change: { unclear: true, lost: 0, late: false },
  write: { unclear: false, lost: 0, late: false },
} as const satisfies Record<string, Rule>;

export type RuleName = keyof typeof rules;

/** Refused by admission control, or nobody to ask: nothing was started, but for a login whose node was lost. */
export const isNotStarted = (status: number, code: string): boolean =>
  status === 503 && (code === 'overloaded' || code === 'no_node');

/** `tries`: attempts before the one that failed. */
export const mayRepeat = (name: RuleName, failure: Failure, tries: number): boolean => {
  const rule: Rule = rules[name];
  if (failure.how === 'not_sent') return true;
  if (failure.how === 'lost') return tries < rule.lost;
  if (failure.how === 'timeout') return rule.late;
  const { status, code } = failure;
  if (status === 429) return true;
  if (status === 503) return rule.unclear || isNotStarted(status, code);
  if (status === 502) return tries < rule.lost;
  return status === 504 && rule.late;
};

/** How long after its first attempt a call may still be repeated, in milliseconds. */
export const repeatWindowMs = (name: RuleName): number => {
  const { withinMs = Number.POSITIVE_INFINITY }: Rule = rules[name];
  return withinMs;
};

/** Date.parse alone takes almost anything for a date. */
const httpDate = /^[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/;

/**
 * What a Retry-After header asks for, in milliseconds: seconds, or a date (RFC 9110 § 10.2.3), which
 * is compared with the answer's own Date where it has one, because two clocks rarely agree.
 */
export const readRetryAfter = (
  value: string | null | undefined,
  { date, now }: { date?: string | null; now: number },
): number | undefined => {
  if (value === null || value === undefined) return undefined;
  if (/^\d{1,9}$/.test(value)) return Number(value) * 1000;
  const until = httpDate.test(value) ? Date.parse(value) : Number.NaN;
  if (Number.isNaN(until)) return undefined;
  const from = Date.parse(date ?? '');
  return Math.max(0, until - (Number.isNaN(from) ? now : from));
};

export type Backoff = (tries: number, retryAfterMs?: number) => number;

/** Milliseconds until the next attempt: never less than what was asked for, never all at once. */
export const createBackoff =
  ({
    baseMs = 200,
    capMs = 10_000,
    random = Math.random,
  }: {
    baseMs?: number;
    capMs?: number;
    random?: () => number;
  } = {}): Backoff =>
  (tries, retryAfterMs = 0) =>
    retryAfterMs + random() * Math.min(capMs, baseMs * 2 ** tries);

export type BudgetOptions = {
  /** Repeats per call. */
  ratio?: number;
  /** What a new client may spend before it has earned anything. */
  initial?: number;
  max?: number;
};

/** Over n calls there are at most `ratio` × n + `initial` repeats. */
export const createBudget = ({ ratio = 0.1, initial = 3, max = 10 }: BudgetOptions = {}) => {
  let tokens = initial;
  return {
    /** For each call, once. */
    earn: () => {
      tokens = Math.min(Math.max(max, initial), tokens + ratio);
    },
    /** Whether a repeat may be made; it is paid for then. */
    spend: (): boolean => {
      // Ten times 0.1 is a hair less than 1.
      if (tokens < 1 - 1e-9) return false;
      tokens -= 1;
      return true;
    },
  };
};
