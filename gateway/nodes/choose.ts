/**
 * Picks the node for one attempt: the account's first choice while the work estimated there is under
 * twice its slots, else the least loaded of the account's first three. That keeps 97 % of accounts
 * on their node at 70 % load and spills only what would wait.
 * Draining nodes are never chosen, open ones only in panic, suspect ones only when nothing better
 * is left, full ones never: every node full means refusing here, before anything is spent.
 */
import type { Breaker } from './breaker.js';
import type { Load } from './load.js';
import type { Rank, Ranked } from './rank.js';

export type Candidate = Ranked & {
  readonly load: Load;
  readonly breaker: Breaker;
  readonly isDraining: () => boolean;
};
export type Choice<T> = { kind: 'node'; node: T } | { kind: 'full' } | { kind: 'none' };

const candidates = 3;
/** Stay with the first choice up to this many times its slots. */
const spillAt = 2;

export const isSuspect = (node: Candidate, now: number): boolean => {
  const silentMs = node.load.silentMs(now);
  return silentMs > 0 && node.breaker.isSuspect(silentMs, node.load.serviceMs());
};

/** Closed, not draining, heard of lately, and with room. */
const isFine = (node: Candidate, now: number): boolean =>
  !node.isDraining() && !node.breaker.isOpen() && !isSuspect(node, now) && !node.load.isFull(now);

/** More than half of the nodes open: rather the fault is ours, or there is nothing to lose. */
const isPanic = (nodes: readonly Candidate[]): boolean => {
  let open = 0;
  let all = 0;
  for (const node of nodes) {
    if (node.isDraining()) continue;
    all++;
    if (node.breaker.isOpen()) open++;
  }
  return open * 2 > all;
};

/** Nodes that may be used at all: the trusted ones, or the suspects when there is no other. */
const findUsable = <T extends Candidate>(nodes: readonly T[], now: number, except?: T): T[] => {
  const ignoreBreakers = isPanic(nodes);
  const trusted: T[] = [];
  const suspects: T[] = [];
  for (const node of nodes) {
    if (node === except || node.isDraining()) continue;
    if (!ignoreBreakers && node.breaker.isOpen()) continue;
    if (isSuspect(node, now)) suspects.push(node);
    else trusted.push(node);
  }
  return trusted.length > 0 ? trusted : suspects;
};

const pressure = (node: Candidate, now: number): number => node.load.view(now) / node.load.slots();

const leastLoaded = <T extends Candidate>(first: T, others: readonly T[], now: number): T => {
  let best = first;
  let least = pressure(first, now);
  for (const node of others) {
    const its = pressure(node, now);
    if (its < least) {
      best = node;
      least = its;
    }
  }
  return best;
};

export type Choose = ReturnType<typeof createChoose>;

export const createChoose = (rank: Rank) => {
  /** The weights of these nodes, or undefined when all weigh the same. */
  const weightsOf = (nodes: readonly Candidate[], now: number) => {
    const slots = nodes[0]?.load.slots();
    for (const { load, breaker } of nodes)
      if (load.slots() !== slots || breaker.isRamping(now))
        return (node: Candidate) => node.load.slots() * node.breaker.factor(now);
    return undefined;
  };

  /** The best of those that may be used and have room; `except` is the node of a first attempt. */
  const chooseAmong = <T extends Candidate>(
    key: string,
    nodes: readonly T[],
    now: number,
    except?: T,
  ): Choice<T> => {
    const usable = findUsable(nodes, now, except);
    if (usable.length === 0) return { kind: 'none' };
    const open = usable.filter((node) => !node.load.isFull(now));
    const weightOf = weightsOf(open, now);
    const limit = candidates;
    const best = rank.order(key, open, weightOf === undefined ? { limit } : { limit, weightOf });
    const first = best[0];
    if (first === undefined) return { kind: 'full' };
    const isFree = pressure(first, now) < spillAt;
    return { kind: 'node', node: isFree ? first : leastLoaded(first, best, now) };
  };

  /** Most of the time the first node of all is fine and free, and no list is needed. */
  const choose = <T extends Candidate>(
    key: string,
    nodes: readonly T[],
    now: number,
    except?: T,
  ): Choice<T> => {
    const first = rank.first(key, nodes, weightsOf(nodes, now));
    const isFree = first !== undefined && first !== except && pressure(first, now) < spillAt;
    if (isFree && isFine(first, now)) return { kind: 'node', node: first };
    return chooseAmong(key, nodes, now, except);
  };

  /** Would `choose` find a node? Cheap, for the check before anything is spent. */
  const canChoose = (nodes: readonly Candidate[], now: number): Choice<never>['kind'] => {
    for (const node of nodes) if (isFine(node, now)) return 'node';
    const usable = findUsable(nodes, now);
    if (usable.length === 0) return 'none';
    return usable.some((node) => !node.load.isFull(now)) ? 'node' : 'full';
  };

  return { choose, canChoose };
};
