/**
 * What the routing bench times: the real code by itself, in situations made for it.
 * Weights are kept until a breaker closes, and for 50 ms at a time while a node is in slow start: what finding them anew
 * adds to such a decision is shown, and not judged.
 */
import { createBreaker } from '../gateway/nodes/breaker.js';
import { type Candidate, createChoose } from '../gateway/nodes/choose.js';
import { createLoad, type Load } from '../gateway/nodes/load.js';
import { createRank } from '../gateway/nodes/rank.js';

const now = 1000;
const slots = 4;
/** Of a hundred first choices: those left for another node, and those where somebody waits. */
export const leftPerHundred = 4;
const busyPerHundred = 11;
/** One breaker of so many is open, where some are. */
const openEvery = 20;
/** More than anybody may wait for. */
const fullMs = 400;
const keys = Array.from({ length: 4096 }, (_, i) => `account-key-${String(i).padStart(10, '0')}`);

const rank = createRank('a secret of the bench');

/** Hashes in flight at a node with four slots. */
const inflightAt = (percentile: number): number => {
  if (percentile < leftPerHundred) return 20;
  return percentile < busyPerHundred ? slots + 1 : 2;
};

const hearFull = (load: Load | undefined) =>
  load?.heard(now, { inflight: 20, queueMs: fullMs, serviceMs: 22, slots });

type Situation = {
  hasOwnWeight: boolean;
  zoneOfOdd?: string;
  state?: 'all full' | 'some open' | 'just closed';
};

const createNode = (i: number, situation: Situation): Candidate => {
  const { hasOwnWeight, zoneOfOdd = 'here', state } = situation;
  const load = createLoad(hasOwnWeight ? 2 + (i % 4) * 2 : slots);
  const inflight = inflightAt(i % 100);
  const queueMs = state === 'all full' ? fullMs : 0;
  load.heard(now, { inflight, queueMs, serviceMs: 22, slots });
  const breaker = createBreaker({ start: 'full', now: 0 });
  const isOpen = state === 'some open' && i % openEvery === 0;
  while (isOpen && !breaker.isOpen()) breaker.failed(now);
  return {
    id: `node-${i}`,
    seed: rank.seed(`node-${i}`),
    zone: i % 2 === 0 ? 'here' : zoneOfOdd,
    load,
    breaker,
    isDraining: () => false,
  };
};

const createNodes = (count: number, situation: Situation) =>
  Array.from({ length: count }, (_, i) => createNode(i, situation));

let at = 0;
const nextKey = (): string => keys[at++ & 4095] ?? '';

/** Throws when it is not what the situation leads to: something else would be measured. */
const deciding =
  (more: Omit<Situation, 'hasOwnWeight'> = {}) =>
  (count: number, hasOwnWeight: boolean) => {
    const nodes = createNodes(count, { ...more, hasOwnWeight });
    let closings = 0;
    const choose = createChoose(rank, 'here', () =>
      more.state === 'just closed' ? closings++ : closings,
    );
    const isFull = more.state === 'all full';
    const expected = isFull ? 'full' : 'node';
    let heard = 0;
    return () => {
      // Between two refusals little happens: more than here would mean that as many are served as refused.
      if (isFull) hearFull(nodes[heard++ % count]?.load);
      const { kind } = choose(nodes, { key: nextKey(), cls: 'login', now });
      return kind === expected ? kind : undefined;
    };
  };

const lookUp = (count: number, hasOwnWeight: boolean) => {
  const nodes = createNodes(count, { hasOwnWeight });
  const weights = hasOwnWeight ? nodes.map((node) => node.load.slots()) : undefined;
  return () => rank.first(nextKey(), nodes, weights)?.id;
};

/** `make`: a call to be timed; its result is undefined when it went another way. Limits in nanoseconds. */
type Make = (count: number, hasOwnWeight: boolean) => () => unknown;
export type Case = {
  name: string;
  nodes: number;
  limits: [equal: number, weighted: number];
  make: Make;
};
const unjudged = Number.POSITIVE_INFINITY;
const decisions = (name: string, make: Make, few = 3000, many = 25_000): Case[] => [
  { name, nodes: 64, limits: [few, few], make },
  { name, nodes: 1000, limits: [many, many], make },
];
export const cases: Case[] = [
  ...decisions('choose', deciding()),
  ...decisions('two zones', deciding({ zoneOfOdd: 'there' })),
  ...decisions('every node full', deciding({ state: 'all full' })),
  ...decisions('5 % of the breakers open', deciding({ state: 'some open' })),
  ...decisions('just closed', deciding({ state: 'just closed' }), unjudged, unjudged),
  { name: 'look-up', nodes: 64, limits: [300, unjudged], make: lookUp },
];
