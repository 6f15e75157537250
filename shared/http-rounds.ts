/**
 * Is the event loop behind? What has arrived while it works waits unseen: no load of a node, no deadline and
 * no queue counts it. So the rounds of the loop are timed, each from the first thing that arrives in it to its end. A long
 * one may be no more than a collection of garbage, but when none was short for a while, more arrives than
 * can be looked at. This is the rule of CoDel, with its two constants (RFC 8289 § 4.2 and 4.3): a
 * queue is judged by the least delay within an interval, not by the longest.
 *
 * A round takes as long as there are connections with something to say, and each of them, and everybody who is not
 * accepted yet (libuv accepts one per round), waits for all others. So those that were refused for it are not read for
 * some rounds: what they say next waits in the kernel, and the rounds become short for everybody else.
 */
const targetMs = 5;
const intervalMs = 100;
/** So much of each round is for looking at what came, while the loop is behind. */
const lookMs = 1;
/** Held connections that are read again after a round: so many, or this part of them when it is more. */
const leastFreed = 8;
const freedPart = 1 / 64;

export type Rounds = ReturnType<typeof createRounds>;
/** A connection, of which only this is touched. */
type Held = { pause(): unknown; resume(): unknown };

/** `atEnd` runs its function when all that had arrived is handled. Times are milliseconds on one clock. */
export const createRounds = ({
  now = () => performance.now(),
  atEnd = (end: () => void): unknown => setImmediate(end),
} = {}) => {
  let isOpen = false;
  let startedAt = 0;
  let endedAt = 0;
  /** When the first of the long rounds began that are not over, or that no short one has followed. */
  let longSince = 0;
  let isBehind = false;
  /** To be held from the end of this round on: until then, Node still reads what was refused. */
  let refused: Held[] = [];
  const held: Held[] = [];

  const open = (at: number) => {
    isOpen = true;
    startedAt = at;
    if (at - longSince >= intervalMs) isBehind = true;
    atEnd(end);
  };

  const changeHeld = () => {
    const count = Math.max(leastFreed, Math.ceil(held.length * freedPart));
    for (const socket of held.splice(0, count)) socket.resume();
    for (const socket of refused) {
      socket.pause();
      held.push(socket);
    }
    refused = [];
  };

  const end = () => {
    isOpen = false;
    endedAt = now();
    changeHeld();
    if (endedAt - startedAt <= targetMs) {
      longSince = endedAt;
      if (held.length === 0) isBehind = false;
    }
    // Whoever is held waits for rounds, so there is always another one.
    if (held.length > 0) open(endedAt);
  };

  return {
    /** A connection or a request has come. */
    enter: (at: number): void => {
      if (isOpen) return;
      if (at - endedAt > targetMs) {
        // It had nothing to do meanwhile.
        longSince = at;
        isBehind = false;
      }
      open(at);
    },
    /**
     * Is what came on this connection refused unread? When all rounds were longer than 5 ms for 100 ms, and until
     * one is shorter and nobody is held any more. What comes first in each round is looked at even then,
     * so that the nodes are kept busy.
     */
    turnsAway: (at: number, from: Held): boolean => {
      const isLate = isBehind && at - startedAt > lookMs;
      if (isLate) refused.push(from);
      return isLate;
    },
  };
};
