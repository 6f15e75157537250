/**
 * Out-of-band probes: no user's request finds out whether a node is well again. A probe opens a
 * connection of its own and asks for the node's self-test; it is sent while a breaker is half-open
 * and when a node has been silent for too long.
 */
import { headers as names } from '../../shared/protocol.js';
import { isSuspect } from './choose.js';
import type { Node } from './pool.js';

/** How often the owner looks for nodes to probe. */
export const probeEveryMs = 50;
/**
 * A self-test takes a millisecond. Together with the silence before it, this is what a node allows
 * its own loop before it refuses what it has read (worker/fence.ts).
 */
const timeoutMs = 300;
/** A tick that comes so late says that this process stood still, and perhaps the whole machine. */
const standstillMs = 150;

const isWell = (node: Node, now: number): boolean =>
  !node.isDraining() && !node.breaker.isOpen() && !isSuspect(node, now);

export const createProbes = (options: { nodes: () => readonly Node[]; now: () => number }) => {
  const { nodes, now } = options;

  const probe = (node: Node) => {
    const ticket = node.breaker.probeStarted(now());
    const headers = { host: 'node', [names.caller]: node.proof };
    const request = { method: 'GET', path: '/selftest', headers, timeoutMs };
    node.forward.sendAside(request, (answer) => {
      const isAlive = answer.kind === 'answered' && answer.status === 200;
      if (isAlive) node.load.heard(now(), answer.load);
      const isReplaceable = nodes().some((other) => other !== node && isWell(other, now()));
      node.breaker.probeEnded(ticket, isAlive, now(), isReplaceable);
    });
  };

  let tickedAt = now();
  /** What we missed is no node's silence: its answers lie unread, or it stood still with us. */
  const forgive = (at: number) => {
    const missedMs = at - tickedAt - probeEveryMs;
    tickedAt = at;
    if (missedMs < standstillMs) return;
    for (const { load } of nodes()) {
      const silentMs = load.silentMs(at);
      if (load.inflight() === 0 || silentMs === Number.POSITIVE_INFINITY) continue;
      load.heard(at - Math.max(0, silentMs - missedMs));
    }
  };

  const tick = () => {
    forgive(now());
    for (const node of nodes())
      if (node.breaker.probeDue(now(), isSuspect(node, now()))) probe(node);
  };

  const timer = setInterval(tick, probeEveryMs).unref();
  return { tick, close: () => clearInterval(timer) };
};
