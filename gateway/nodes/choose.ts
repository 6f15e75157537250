/**
 * Picks the node for one attempt: the account's first choice, unless somebody waits there already and
 * the least loaded of the account's first three has most of a hash per slot less. So only those
 * move who gain by it: 95.5 % of accounts stay on their node at 70 % load, 90 % at 90 %.
 * Nodes of the edge's own zone come first, by the same rule among them, while the one that it picks has less
 * than two hashes per slot: a hash next door is as good, and costs no way between zones.
 * Draining nodes are never chosen, open ones only in panic, suspect ones only when nothing better is
 * left, full ones never: every node full means refusing here, before anything is spent.
 */
import type { WorkClass } from '../../shared/protocol.js';
import type { Breaker } from './breaker.js';
import type { Load } from './load.js';
import type { Rank, Ranked, Weights } from './rank.js';
import { createWeights, weigh } from './weights.js';

export type Candidate = Ranked & {
  readonly load: Load;
  readonly breaker: Breaker;
  readonly isDraining: () => boolean;
  readonly zone: string;
};
/** For whom; `except` is the node of a first attempt. */
type Query<T> = { key: string; cls: WorkClass; now: number; except?: T };
type Choice<T> = { kind: 'node'; node: T } | { kind: 'full' } | { kind: 'none' };

const candidates = 3;
/** Where three usable ones are nearly always found. */
const nearTop = 6;
/** What another node must have less, in hashes per slot: one, but for what the estimates may err. */
const spillGain = 0.85;
/** A node of the own zone is preferred below so many hashes per slot. */
const zoneFullAt = 2;

/** Nothing came back for too long, with work in flight: no new first choices. */
export const isSuspect = (node: Candidate, now: number): boolean => {
  const silentMs = node.load.silentMs(now);
  return silentMs > 0 && node.breaker.isSuspect(silentMs, node.load.serviceMs());
};

/** Closed, not draining, heard of lately, and with room. */
const isFine = (node: Candidate, now: number, cls: WorkClass): boolean =>
  !node.isDraining() &&
  !node.breaker.isOpen() &&
  !isSuspect(node, now) &&
  !node.load.isFull(now, cls);

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

/**
 * What `chooseAmong` would find when nothing has room, without ranking or lists; false when a closer look is
 * needed. Most are full, so that is asked first: of a thousand nodes each look at another object is felt.
 */
const isSurelyFull = (nodes: readonly Candidate[], now: number, cls: WorkClass): boolean => {
  let isOpenWithRoom = false;
  for (const node of nodes) {
    if (node.load.isFull(now, cls) || node.isDraining()) continue;
    if (!node.breaker.isOpen()) return false;
    isOpenWithRoom = true;
  }
  if (isOpenWithRoom && isPanic(nodes)) return false;
  return nodes.some((node) => !node.isDraining());
};

const pressure = (node: Candidate, now: number): number => node.load.view(now) / node.load.slots();

/** Nobody waits there yet, as far as is known. */
const isFree = (node: Candidate, now: number): boolean =>
  node.load.view(now) < node.load.slots() + 1;

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

export type Choose<T extends Candidate> = ReturnType<typeof createChoose<T>>;

/**
 * `zone`: that of this edge. `slowStarts` changes whenever a node of the list that was asked about begins one; a node
 * with other slots is in another list.
 */
export const createChoose = <T extends Candidate>(
  rank: Rank,
  zone: string,
  slowStarts: () => number,
) => {
  const weightsOf = createWeights(slowStarts);
  const weightsNear = createWeights(slowStarts);

  let membership: readonly T[] = [];
  let neighbours: readonly T[] = [];
  /** Those of this zone; none when all are, and there is nothing to prefer. One list for each membership. */
  const nearOf = (nodes: readonly T[]): readonly T[] => {
    if (nodes !== membership) {
      membership = nodes;
      neighbours = nodes.filter((node) => node.zone === zone);
      if (neighbours.length === nodes.length) neighbours = [];
    }
    return neighbours;
  };

  const pick = (best: readonly T[], now: number): Choice<T> => {
    const first = best[0];
    if (first === undefined) return { kind: 'full' };
    if (isFree(first, now)) return { kind: 'node', node: first };
    const other = leastLoaded(first, best, now);
    const isWorthIt = pressure(first, now) - pressure(other, now) >= spillGain;
    return { kind: 'node', node: isWorthIt ? other : first };
  };

  const firstOf = (
    key: string,
    nodes: readonly T[],
    limit: number,
    weights: Weights | undefined,
  ): T[] => rank.order(key, nodes, { limit, weights });

  /** The whole rule: the best of those that may be used and have room. */
  const chooseAmong = (nodes: readonly T[], query: Query<T>): Choice<T> => {
    const { key, now, except } = query;
    const usable = findUsable(nodes, now, except);
    if (usable.length === 0) return { kind: 'none' };
    const withRoom = usable.filter((node) => !node.load.isFull(now, query.cls));
    return pick(firstOf(key, withRoom, candidates, weigh(withRoom, now).weights), now);
  };

  /** The first of all, when nobody waits there: what most logins get. */
  const findFirst = (nodes: readonly T[], query: Query<T>, weights: Weights | undefined) => {
    const { key, cls, now, except } = query;
    const first = rank.first(key, nodes, weights);
    const isIt = first !== undefined && first !== except && isFree(first, now);
    return isIt && isFine(first, now, cls) ? first : undefined;
  };

  /** Neighbours that have all just begun would have the whole zone at once: they begin as among all nodes. */
  const isBeginning = (near: readonly T[], now: number): boolean =>
    near.every((node) => node.breaker.isRamping(now));

  /** By the same rule among the neighbours; undefined when those that it may have are full, unwell or new. */
  const chooseNear = (near: readonly T[], query: Query<T>): T | undefined => {
    const { key, cls, now, except } = query;
    const weights = weightsNear(near, now);
    if (weights !== undefined && isBeginning(near, now)) return undefined;
    const first = findFirst(near, query, weights);
    if (first !== undefined) return first;
    const best = firstOf(key, near, nearTop, weights)
      .filter((node) => node !== except && isFine(node, now, cls))
      .slice(0, candidates);
    const choice = pick(best, now);
    return choice.kind === 'node' && pressure(choice.node, now) < zoneFullAt
      ? choice.node
      : undefined;
  };

  /** Under overload nearly all are turned away, one after the other. */
  let wasFull = false;

  /**
   * The same for the usual cases, without looking at every node: the first of all, when it is fine
   * and free; else the first three fine ones near the top. An open breaker there, or fewer than
   * three, takes the whole rule, which knows panic and suspects.
   */
  const findNode = (nodes: readonly T[], query: Query<T>): Choice<T> => {
    const { key, now, except } = query;
    const near = nearOf(nodes);
    const neighbour = near.length > 0 ? chooseNear(near, query) : undefined;
    if (neighbour !== undefined) return { kind: 'node', node: neighbour };
    const weights = weightsOf(nodes, now);
    const first = findFirst(nodes, query, weights);
    if (first !== undefined) return { kind: 'node', node: first };
    const fine: T[] = [];
    for (const node of firstOf(key, nodes, nearTop, weights)) {
      if (node.breaker.isOpen()) break;
      if (node !== except && isFine(node, now, query.cls)) fine.push(node);
      if (fine.length === candidates) return pick(fine, now);
    }
    return chooseAmong(nodes, query);
  };

  return (nodes: readonly T[], query: Query<T>): Choice<T> => {
    const { now, cls, except } = query;
    const isFull = wasFull && except === undefined && isSurelyFull(nodes, now, cls);
    const choice: Choice<T> = isFull ? { kind: 'full' } : findNode(nodes, query);
    wasFull = choice.kind === 'full';
    return choice;
  };
};
