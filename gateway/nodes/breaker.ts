/**
 * May this node be used? One breaker per edge, node and boot id (design § 6).
 *
 *   closed ──5 failures in a row, < 50 % of ≥ 20 in 10 s, or a silent one's probe fails──▶ open{until}
 *     ▲                                                                           until │ ──▶ half-open
 *     └── slow start 10 → 100 % in 10 s ◀──2 probes in a row, none of them a user's request─────┘
 *
 * The first opening is probed at once, re-openings wait 1 s × 2^k first. Nothing is timed here: the
 * state is computed from the clock, `probeDue` tells the owner when to probe. Refusals and 4xx are
 * reported to nobody: they are neither success nor failure.
 */

export type State =
  /** In slow start until `fullAt`. */
  | { kind: 'closed'; fullAt: number }
  | { kind: 'open'; until: number; attempt: number }
  | { kind: 'half-open'; attempt: number; passed: number };

export type Breaker = ReturnType<typeof createBreaker>;
/** Shows which opening a probe belongs to. */
export type Ticket = number;

const maxFailuresInRow = 5;
const minSamples = 20;
const windowSeconds = 10;
const probesToClose = 2;
const probeEveryMs = 500;
const rampMs = 10_000;
const rampFrom = 0.1;
const backoffMs = 1000;
const maxBackoffMs = 30_000;
/** A healthy stretch of this length takes back one step of the backoff. */
const forgiveMs = 30_000;
const suspectAfterMs = 400;

/** Counts of the last ten seconds; a bucket of another second counts as empty, so idling is safe. */
const createWindow = () => {
  const seconds = new Array<number>(windowSeconds).fill(-1);
  const good = new Array<number>(windowSeconds).fill(0);
  const bad = new Array<number>(windowSeconds).fill(0);

  const add = (counts: number[], now: number) => {
    const second = Math.floor(now / 1000);
    const at = second % windowSeconds;
    if (seconds[at] !== second) {
      seconds[at] = second;
      good[at] = 0;
      bad[at] = 0;
    }
    counts[at] = (counts[at] ?? 0) + 1;
  };

  const sum = (counts: readonly number[], now: number): number => {
    const oldest = Math.floor(now / 1000) - windowSeconds;
    return counts.reduce((total, n, at) => ((seconds[at] ?? -1) > oldest ? total + n : total), 0);
  };

  return {
    addGood: (now: number) => add(good, now),
    addBad: (now: number) => add(bad, now),
    isMostlyBad: (now: number): boolean => {
      const failed = sum(bad, now);
      const total = failed + sum(good, now);
      return total >= minSamples && failed * 2 > total;
    },
    clear: () => seconds.fill(-1),
  };
};

/**
 * `start`: a node that joins begins in slow start; what an edge finds at its own start begins at
 * full weight, because that start says nothing about the nodes, and an edge that ramps nodes which
 * its siblings do not would send their accounts elsewhere for ten seconds.
 */
export const createBreaker = (options: {
  start: 'slow' | 'full';
  now: number;
  /** Told when it closes. */
  onSlowStart?: () => void;
  random?: () => number;
}) => {
  const { onSlowStart = () => {}, random = Math.random } = options;
  const window = createWindow();
  const fullAtStart = options.start === 'slow' ? options.now + rampMs : options.now;
  let state: State = { kind: 'closed', fullAt: fullAtStart };
  let failuresInRow = 0;
  let openings = 0;
  let closedAt = options.now;
  let ticket: Ticket = 0;
  let nextProbeAt = Number.NEGATIVE_INFINITY;
  let isProbing = false;

  const jitter = (ms: number): number => ms * (0.75 + random() / 2);

  const backoffOf = (attempt: number): number =>
    attempt === 0 ? 0 : jitter(Math.min(backoffMs * 2 ** (attempt - 1), maxBackoffMs));

  const open = (now: number) => {
    const forgiven = Math.floor((now - closedAt) / forgiveMs);
    const attempt = Math.max(0, openings - forgiven);
    openings = attempt + 1;
    ticket++;
    isProbing = false;
    nextProbeAt = now;
    state = { kind: 'open', until: now + backoffOf(attempt), attempt };
  };

  const close = (now: number) => {
    closedAt = now;
    failuresInRow = 0;
    window.clear();
    state = { kind: 'closed', fullAt: now + rampMs };
    onSlowStart();
  };

  /** The state at this moment. */
  const at = (now: number): State => {
    if (state.kind === 'open' && now >= state.until)
      state = { kind: 'half-open', attempt: state.attempt, passed: 0 };
    return state;
  };

  /** A node that answered properly. Only probes close an open breaker. */
  const succeeded = (now: number) => {
    if (state.kind !== 'closed') return;
    failuresInRow = 0;
    window.addGood(now);
  };

  /** A transport failure, a timeout, a 5xx or nonsense. Stragglers of an open breaker do not count. */
  const failed = (now: number) => {
    if (state.kind !== 'closed') return;
    failuresInRow++;
    window.addBad(now);
    if (failuresInRow >= maxFailuresInRow || window.isMostlyBad(now)) open(now);
  };

  /**
   * `isReplaceable`: another node is well. A silent node that leaves a self-test unanswered is then not
   * worth four more logins. Where there is no other, or all are silent, rather the machine is busy: it
   * counts as one failure, because opening the last one would help nobody.
   */
  const probeEnded = (issued: Ticket, isAlive: boolean, now: number, isReplaceable: boolean) => {
    // Of an earlier opening: what it saw is over.
    if (issued !== ticket) return;
    isProbing = false;
    const current = at(now);
    if (current.kind === 'closed') {
      // A silent node that lives may be silent again soon, and is asked again as soon as it is.
      if (isAlive) nextProbeAt = now;
      else if (isReplaceable) open(now);
      else failed(now);
    }
    if (current.kind !== 'half-open') return;
    const passed = isAlive ? current.passed + 1 : 0;
    if (passed >= probesToClose) close(now);
    else state = { ...current, passed };
  };

  return {
    at,
    succeeded,
    failed,
    isOpen: (): boolean => state.kind !== 'closed',
    /** No answer for too long while one is due: no new first choices, and a probe now. */
    isSuspect: (silentMs: number, serviceMs: number): boolean =>
      silentMs > suspectAfterMs && silentMs > 4 * serviceMs,
    isRamping: (now: number): boolean => state.kind === 'closed' && now < state.fullAt,
    /** The share of its weight that this node gets, 0.1 to 1. */
    factor: (now: number): number =>
      state.kind === 'closed' && now < state.fullAt
        ? Math.max(rampFrom, 1 - (state.fullAt - now) / rampMs)
        : 1,
    probeDue: (now: number, suspect: boolean): boolean =>
      !isProbing && now >= nextProbeAt && (suspect || at(now).kind === 'half-open'),
    probeStarted: (now: number): Ticket => {
      isProbing = true;
      nextProbeAt = now + jitter(probeEveryMs);
      return ticket;
    },
    probeEnded,
  };
};
