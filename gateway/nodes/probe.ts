/**
 * Out-of-band probes: no user's request finds out whether a node is well again. A probe opens a
 * connection of its own and asks for the node's self-test; it is sent while a breaker is half-open
 * and when a node has been silent for too long.
 */
import { headers as names } from '../../shared/protocol.js';
import { isSuspect } from './choose.js';
import type { Node } from './pool.js';

const everyMs = 100;
/** A self-test takes a millisecond; two that take this long open the breaker of a silent node. */
const timeoutMs = 400;

export const createProbes = (options: { nodes: () => readonly Node[]; now: () => number }) => {
  const { nodes, now } = options;

  const probe = (node: Node) => {
    const ticket = node.breaker.probeStarted(now());
    const headers = { host: 'node', [names.caller]: node.proof };
    const request = { method: 'GET', path: '/selftest', headers, timeoutMs };
    node.line.sendAside(request, (answer) => {
      const isAlive = answer.kind === 'answered' && answer.status === 200;
      if (isAlive) node.load.heard(now(), answer.load);
      node.breaker.probeEnded(ticket, isAlive, now());
    });
  };

  const tick = () => {
    for (const node of nodes())
      if (node.breaker.probeDue(now(), isSuspect(node, now()))) probe(node);
  };

  const timer = setInterval(tick, everyMs).unref();
  return { tick, close: () => clearInterval(timer) };
};
