/**
 * The nodes as this edge knows them: one record per node and boot, with its place in the hash order,
 * its load, its breaker and its connections. A new boot of the same node is a new record. Records
 * that leave keep each connection until the request on it has ended.
 */
import { callerProof } from '../../shared/protocol.js';
import { type Breaker, createBreaker } from './breaker.js';
import { type Connect, createConnectTo } from './connect.js';
import { createForward } from './forward.js';
import { createLoad } from './load.js';
import type { Place } from './place.js';
import type { Rank } from './rank.js';
import type { Member } from './registry.js';

export type Node = ReturnType<typeof createNode>;
export type Pool = ReturnType<typeof createPool>;

type ConnectTo = (place: Place) => Connect;

/** A boot that comes back so soon after it left is no new one: its breaker is as it was. */
const rememberMs = 60_000;

const createNode = (options: {
  member: Member;
  rank: Rank;
  secret: string;
  breaker: Breaker;
  connectTo: ConnectTo;
}) => {
  const { member, rank, secret, breaker, connectTo } = options;
  const { id, boot_id: bootId } = member.entry;
  const load = createLoad(member.entry.slots);
  const forward = createForward(connectTo(member.place));
  let entry = member.entry;
  let hasLeft = false;

  return {
    id,
    bootId,
    via: member.place.kind,
    zone: member.entry.zone,
    seed: rank.seed(id),
    proof: callerProof(secret, bootId),
    load,
    forward,
    breaker,
    entry: () => entry,
    isDraining: () => entry.draining,
    /** Or another boot has its place: what it has begun it finishes, without answering to probes any more. */
    isLeaving: () => hasLeft || entry.draining,
    update: (next: Member) => {
      entry = next.entry;
      load.setSlots(entry.slots);
    },
    /** What is on its way goes on, of admins too. */
    leave: () => {
      hasLeft = true;
      forward.renew();
    },
    close: forward.close,
  };
};

export const createPool = (options: {
  rank: Rank;
  secret: string;
  now: () => number;
  connectTo?: ConnectTo;
}) => {
  const { rank, secret, now, connectTo = createConnectTo() } = options;
  const byId = new Map<string, Node>();
  let nodes: readonly Node[] = [];
  let isFirst = true;
  let slowStarts = 0;
  const onSlowStart = () => {
    slowStarts++;
  };
  const left = new Map<string, { breaker: Breaker; at: number }>();
  const nameOf = (id: string, bootId: string) => `${id} ${bootId}`;

  const drop = (node: Node) => {
    byId.delete(node.id);
    left.set(nameOf(node.id, node.bootId), { breaker: node.breaker, at: now() });
    node.leave();
  };

  const breakerOf = (name: string): Breaker => {
    for (const [old, { at }] of left) if (now() - at > rememberMs) left.delete(old);
    const known = left.get(name)?.breaker;
    const start = isFirst ? 'full' : 'slow';
    return known ?? createBreaker({ start, now: now(), onSlowStart });
  };

  /**
   * Takes over the membership and returns the ids that are gone. The first one starts at full
   * weight (see breaker).
   */
  const sync = (members: readonly Member[]): string[] => {
    const ids = new Set(members.map((member) => member.entry.id));
    const gone = nodes.filter((node) => !ids.has(node.id));
    gone.forEach(drop);
    for (const member of members) {
      const known = byId.get(member.entry.id);
      if (known?.bootId === member.entry.boot_id) {
        known.update(member);
        continue;
      }
      if (known !== undefined) drop(known);
      const breaker = breakerOf(nameOf(member.entry.id, member.entry.boot_id));
      byId.set(member.entry.id, createNode({ member, rank, secret, breaker, connectTo }));
    }
    nodes = [...byId.values()];
    if (nodes.length > 0) isFirst = false;
    return gone.map((node) => node.id);
  };

  return {
    sync,
    /** Another list after each change of the membership, slots included. */
    nodes: () => nodes,
    /** How many breakers have closed so far: weights that were known are others then. */
    slowStarts: () => slowStarts,
    /** All nodes over new connections from now on, under the certificates that are in force now. */
    renew: () => {
      for (const node of nodes) node.forward.renew();
    },
    find: (id: string): Node | undefined => byId.get(id),
    close: () => {
      for (const node of nodes) node.close();
    },
  };
};
