/**
 * Is the event loop behind? What arrives while it works waits unseen: no queue, no load of a node and
 * no deadline counts it. So its rounds are timed, from the first request that may be refused, and
 * judged as CoDel judges a queue (RFC 8289 § 4): by the least delay within an interval, since one long
 * round may be no more than a collection of garbage. A round takes as long as all connections that
 * have something to say; and libuv accepts one new one in each. So whoever was refused for it is not
 * read for some rounds, and these become short for everybody else.
 */
const targetMs = 5;
const intervalMs = 100;
/** A stall is one long round, and perhaps a second one for what came meanwhile. */
const leastLong = 3;
/** So much of each round is for looking at such requests, while the loop is behind. */
const lookMs = 1;
/**
 * Held connections that are read again after a round: so many, or this part of them when it is more.
 * They wait little longer than they would if all were read in each round: the work is the same.
 */
const leastFreed = 8;
const freedPart = 1 / 32;
/** Of one connection, refused in one round: who pipelines more is cut off. */
const maxRefused = 16;

/** A connection, of which only this is touched. */
type Held = { pause(): unknown; resume(): unknown; destroy(): unknown };

/** `atEnd` runs its function when all that had arrived is handled. Times are in ms, of one clock. */
export const createRounds = ({
  now = () => performance.now(),
  atEnd = (end: () => void): unknown => setImmediate(end),
} = {}) => {
  let isOpen = false;
  let startedAt = 0;
  let endedAt = 0;
  /** Long rounds in a row, and when the first of them began. */
  let longRounds = 0;
  let longSince = 0;
  let isBehind = false;
  /** When somebody was turned away last. */
  let awayAt = 0;
  let lookedSince: number | undefined;
  let isReleased = false;
  /** How often in this round. Held from its end on: until then, Node still reads what was refused. */
  const refused = new Map<Held, number>();
  const held = new Set<Held>();

  const open = (at: number) => {
    isOpen = true;
    startedAt = at;
    lookedSince = undefined;
    if (longRounds === 0) longSince = at;
    if (longRounds >= leastLong && at - longSince >= intervalMs) {
      isBehind = true;
      awayAt = at;
    } else if (at - awayAt > intervalMs) isBehind = false;
    atEnd(end);
  };

  const free = (count: number) => {
    let left = count;
    for (const connection of held) {
      if (left-- <= 0) return;
      held.delete(connection);
      connection.resume();
    }
  };

  const hold = () => {
    for (const connection of refused.keys()) {
      connection.pause();
      held.add(connection);
    }
    refused.clear();
  };

  const end = () => {
    isOpen = false;
    endedAt = now();
    free(Math.max(leastFreed, Math.ceil(held.size * freedPart)));
    hold();
    longRounds = endedAt - startedAt > targetMs ? longRounds + 1 : 0;
    // Whoever is held waits for rounds, so there is always another one.
    if (held.size > 0) open(endedAt);
  };

  const enter = (at: number) => {
    if (isOpen) return;
    // For longer than that round took, it had something else to do, or nothing.
    if (at - endedAt > Math.max(targetMs, endedAt - startedAt)) longRounds = 0;
    open(at);
  };

  return {
    /**
     * True when a request is to be refused unread; its connection is then held. It begins when all
     * rounds were longer than 5 ms for 100 ms, and is over when nobody was refused for as long. Requests
     * in the first millisecond of each round are looked at, which keeps the nodes busy.
     */
    turnAway: (at: number, from: Held): boolean => {
      enter(at);
      lookedSince ??= at;
      if (isReleased || !isBehind || at - lookedSince <= lookMs) return false;
      awayAt = at;
      const times = (refused.get(from) ?? 0) + 1;
      refused.set(from, times);
      if (times > maxRefused) from.destroy();
      return true;
    },
    /** Nobody is held any more, from now on: the server stops. */
    release: (): void => {
      isReleased = true;
      refused.clear();
      free(held.size);
    },
  };
};
