/**
 * What each node counts in the hash order: its slots, and of these a tenth to all of them while it is in slow start
 * (weighted rendezvous, see rank.ts).
 */
import type { Breaker } from './breaker.js';
import type { Load } from './load.js';
import type { Weights } from './rank.js';

/** A slow start goes from a tenth to the whole in ten seconds. So long are weights kept meanwhile. */
const keepWeightsMs = 50;

type Weighable = { readonly load: Load; readonly breaker: Breaker };
/** `weights`: undefined when all weigh the same. `isRamping`: a slow start is among them. */
type Weighed = { weights: Weights | undefined; isRamping: boolean };

const allAlike: Weighed = { weights: undefined, isRamping: false };

/** Of this list, at this moment. */
export const weigh = (nodes: readonly Weighable[], now: number): Weighed => {
  const slots = nodes[0]?.load.slots();
  let isRamping = false;
  let isAlike = true;
  for (const { load, breaker } of nodes) {
    if (breaker.isRamping(now)) isRamping = true;
    if (load.slots() !== slots) isAlike = false;
  }
  if (isAlike && !isRamping) return allAlike;
  const weights = new Float64Array(nodes.length);
  let i = 0;
  for (const { load, breaker } of nodes) weights[i++] = load.slots() * breaker.factor(now);
  return { weights, isRamping };
};

/** The same for a list that is asked for at each login: kept until it changes, and for a moment while one ramps. */
export const createWeights = (slowStarts: () => number) => {
  let kept: (Weighed & { nodes: readonly Weighable[]; at: number; starts: number }) | undefined;
  const isFresh = (nodes: readonly Weighable[], now: number): boolean =>
    kept?.nodes === nodes &&
    kept.starts === slowStarts() &&
    (!kept.isRamping || now - kept.at <= keepWeightsMs);
  return (nodes: readonly Weighable[], now: number): Weights | undefined => {
    if (kept === undefined || !isFresh(nodes, now))
      kept = { ...weigh(nodes, now), nodes, at: now, starts: slowStarts() };
    return kept.weights;
  };
};
