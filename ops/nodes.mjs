/** `floodgate nodes`: the nodes as the edges of one gateway see them. */
import { callAdmin } from './admin-call.mjs';
import { parseCommand } from './input.mjs';
import { formatTable } from './table.mjs';

/** @typedef {import('./paths.mjs').Env} Env */
/** @typedef {Record<string, any>} Node */

const nodesHelp = `Usage: floodgate nodes [--json]

Each node as the edges of this gateway see it. In flight is what these edges wait for, so
\`drained\` is not the word of the node: \`floodgate drain ID\` asks that one.

  --json    all that is known, as JSON
`;

const options = /** @type {const} */ ({
  json: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
});

const columns = /** @type {const} */ ([
  'node',
  'zone',
  'slots',
  'state',
  'in flight',
  'hash',
  'version',
]);

/** @param {Node} node */
const describeState = (node) => {
  // Where no edge answers, nobody has said that nothing is in flight.
  if (node.draining) return node.inflight > 0 || node.edges === 0 ? 'draining' : 'drained';
  if (node.edges === 0) return 'no edge answers';
  if (node.state !== 'closed') return node.state === 'open' ? 'down' : 'being probed';
  if (node.suspect) return 'silent';
  if (node.full) return 'full';
  return node.weight < 1 ? `slow start ${Math.round(node.weight * 100)} %` : 'up';
};

/** @param {Node} node */
const row = (node) => [
  node.id,
  node.zone,
  String(node.slots),
  describeState(node),
  String(node.inflight),
  `${node.service_ms.toFixed(1)} ms`,
  node.version,
];

/** What to print. Throws Refusal. @param {string[]} args @param {Env} env */
export const showNodes = async (args, env) => {
  const { json, help } = parseCommand({ args, options }, nodesHelp).values;
  if (help) return nodesHelp;
  /** @type {Node[]} */
  const nodes = (await callAdmin(env, 'GET', '/nodes')).nodes;
  if (json) return JSON.stringify({ nodes }, null, 2);
  if (nodes.length === 0) return 'No nodes. Start one: node dist/worker/main.js';
  return formatTable([columns, ...nodes.map(row)]);
};
