/** How the edges come to know that a node is not well: until it is chosen no more, until each breaker is open. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { FleetNode } from '../fleet-nodes.js';
import { nowMs } from '../pacer.js';
import { type Metrics, readMetrics } from './metrics.js';
import type { Rig } from './rig.js';

export const edges = 2;
const pollMs = 50;
const failures = ['died', 'timeout', 'unreached', 'broken', 'bad_answer'];

export type Opening = {
  /** At the last edge, after the fault; undefined when it did not happen, or was not looked for. */
  openMs: number | undefined;
  /** Until no edge chose the node any more: its breaker open, or the node suspect or gone. */
  avoidedMs: number | undefined;
  /** Of the faulty node until its breakers were open, at the edge that had most. */
  failuresAtEdge: number;
};
type NodeState = {
  id: string;
  state: string;
  weight: number;
  edges: number;
  edges_open: number;
  edges_avoiding: number;
};

export const notWatched: Opening = { openMs: undefined, avoidedMs: undefined, failuresAtEdge: 0 };

const nodeStates = async (rig: Rig): Promise<NodeState[]> =>
  JSON.parse((await rig.fleet.admin('GET', '/nodes')).text).nodes;

/** All three known to the edges and at their full weight. */
export const untilWhole = async (rig: Rig) => {
  for (let tries = 0; tries < 60; tries++) {
    const states = await nodeStates(rig);
    if (states.length === 3 && states.every((n) => n.state === 'closed' && n.weight === 1)) return;
    await sleep(500);
  }
  throw new Error(`the nodes do not recover: ${(await rig.fleet.admin('GET', '/nodes')).text}`);
};

/** At the edge that had most. */
export const mostFailures = (before: Metrics, after: Metrics, node: string): number => {
  const failed = (metrics: Metrics, edge: string): number =>
    failures.reduce(
      (sum, outcome) => sum + metrics('node_forwards_total', { node, outcome, edge }),
      0,
    );
  return Math.max(0, ...after.edges.map((edge) => failed(after, edge) - failed(before, edge)));
};

/** Polls the edges' view of `node` until its breaker is open at each, or nobody wants to know. */
export const findOpening = async (
  rig: Rig,
  node: FleetNode,
  isOver: () => boolean,
): Promise<Opening> => {
  const since = nowMs();
  // A node that hangs keeps a scrape waiting: its failures before are read beside the polls.
  const before = readMetrics(rig.fleet);
  let after: Promise<Metrics> | undefined;
  const opening = { ...notWatched };
  for (; !isOver() && opening.openMs === undefined; await sleep(pollMs)) {
    const found = (await nodeStates(rig)).find(({ id }) => id === node.id);
    const at = nowMs() - since;
    if (found?.edges === edges && found.edges_open === edges) {
      opening.openMs = at;
      after = readMetrics(rig.fleet);
    }
    const isAvoided = found === undefined || found.edges_avoiding === edges;
    if (!isAvoided || opening.avoidedMs !== undefined) continue;
    opening.avoidedMs = at;
  }
  if (after !== undefined)
    opening.failuresAtEdge = mostFailures(await before, await after, node.id);
  return opening;
};
