/**
 * `floodgate nodes`, `floodgate drain ID`, `floodgate undrain ID`: the nodes as the edges see them, and
 * a hand on them. Draining waits until the node holds nothing any more, so that what follows it in a
 * script may stop the machine.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { callAdmin } from './admin-call.mjs';
import { Refusal } from './refusal.mjs';
import { formatTable } from './table.mjs';

/** @typedef {import('./paths.mjs').Env} Env */
/** @typedef {Record<string, any>} Node */

const drainPatienceMs = 30_000;
/** Edges read the registry twice a second; until then they may still send. */
const noticeMs = 1000;

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
  if (node.draining) return node.inflight > 0 ? 'draining' : 'drained';
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

/** @param {Env} env @returns {Promise<Node[]>} */
const readNodes = async (env) => (await callAdmin(env, 'GET', '/nodes')).nodes;

/** @param {readonly string[]} args @param {Env} env */
export const showNodes = async (args, env) => {
  const nodes = await readNodes(env);
  if (args.includes('--json')) return JSON.stringify({ nodes }, null, 2);
  if (nodes.length === 0) return 'No nodes. Start one: node dist/worker/main.js';
  return formatTable([columns, ...nodes.map(row)]);
};

/** @param {string | undefined} id @param {string} verb */
const requireId = (id, verb) => {
  if (id) return id;
  throw new Refusal(`Which node? floodgate ${verb} ID; \`floodgate nodes\` lists them.`);
};

/** @param {Env} env @param {string} id */
const waitDrained = async (env, id) => {
  await sleep(noticeMs);
  for (let waited = 0; waited < drainPatienceMs; waited += 250) {
    const node = (await readNodes(env)).find((candidate) => candidate.id === id);
    if (node === undefined || (node.draining && node.inflight === 0)) return;
    await sleep(250);
  }
  throw new Refusal(`${id} is draining, but still busy after ${drainPatienceMs / 1000} s.`);
};

/** @param {readonly string[]} args @param {Env} env */
export const drainNode = async ([given], env) => {
  const id = requireId(given, 'drain');
  await callAdmin(env, 'POST', `/nodes/${encodeURIComponent(id)}/drain`);
  await waitDrained(env, id);
  return `${id} gets nothing new and holds nothing any more. floodgate undrain ${id} takes it back.`;
};

/** @param {readonly string[]} args @param {Env} env */
export const undrainNode = async ([given], env) => {
  const id = requireId(given, 'undrain');
  await callAdmin(env, 'POST', `/nodes/${encodeURIComponent(id)}/undrain`);
  return `${id} is back.`;
};
