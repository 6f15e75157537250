/**
 * May this issuer be asked? One breaker per edge and issuer.
 *
 *   closed ──`failuresToOpen` in a row──▶ open{until} ──until──▶ half-open: one call is the trial
 *     ▲                                     ▲  1 s × 2^k ± 25 %, up to 30 s  │
 *     └────────────── the trial succeeded ──┴──────── the trial failed ──────┘
 *
 * Nothing is timed here: the state is computed from the clock. A call that began under an earlier
 * state decides nothing about the present one.
 */
type State =
  | { kind: 'closed'; failures: number }
  | { kind: 'open'; until: number; attempt: number }
  | { kind: 'half-open'; attempt: number };

/** Shows under which state a call began. */
export type Ticket = number;
export type Breaker = ReturnType<typeof createBreaker>;
export const breakerStates = ['closed', 'half-open', 'open'] as const;

const backoffMs = 1000;
const maxBackoffMs = 30_000;

export const createBreaker = ({
  failuresToOpen,
  now = () => performance.now(),
  random = Math.random,
}: {
  failuresToOpen: number;
  now?: () => number;
  random?: () => number;
}) => {
  let state: State = { kind: 'closed', failures: 0 };
  let ticket: Ticket = 0;

  const enterState = (next: State) => {
    state = next;
    ticket++;
  };

  const open = (attempt: number) => {
    const pauseMs = Math.min(backoffMs * 2 ** attempt, maxBackoffMs) * (0.75 + random() / 2);
    enterState({ kind: 'open', until: now() + pauseMs, attempt });
  };

  return {
    /** Undefined: do not call. In half-open exactly one caller gets a ticket. */
    enter: (): Ticket | undefined => {
      if (state.kind === 'half-open') return undefined;
      if (state.kind === 'open') {
        if (now() < state.until) return undefined;
        enterState({ kind: 'half-open', attempt: state.attempt });
      }
      return ticket;
    },

    succeeded: (issued: Ticket): void => {
      if (issued !== ticket) return;
      if (state.kind === 'closed') state.failures = 0;
      else enterState({ kind: 'closed', failures: 0 });
    },

    failed: (issued: Ticket): void => {
      if (issued !== ticket) return;
      if (state.kind === 'half-open') open(Math.min(state.attempt + 1, 10));
      else if (state.kind === 'closed' && ++state.failures >= failuresToOpen) open(0);
    },

    /** How long until it is worth coming back. */
    waitMs: (): number => (state.kind === 'open' ? Math.max(0, state.until - now()) : 0),

    /** An open breaker whose pause is over is half-open, whether or not somebody came. */
    kind: (): State['kind'] =>
      state.kind === 'open' && now() >= state.until ? 'half-open' : state.kind,
  };
};
