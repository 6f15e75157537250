/**
 * `floodgate drain ID` and `floodgate undrain ID`. What follows a drain in a script may stop the
 * machine, so nothing is taken for granted: the registry, where edges look, must know of it, and the
 * node itself must say that it holds nothing, whichever gateway sent it. Both calls may be repeated.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { AdminError, callAdmin } from './admin-call.mjs';
import { parseCommand } from './input.mjs';
import { Refusal, UsageError } from './refusal.mjs';

/** @typedef {import('./paths.mjs').Env} Env */
/** @typedef {{ registered: boolean, inflight: number }} Told what the node answers */

const drainHelp = `Usage: floodgate drain ID

Sends the node nothing new, and waits until it holds nothing any more: 30 seconds at most.
\`floodgate undrain ID\` takes it back; draining does not outlive the node's process.
Exit status: 0 only when the registry has it and the node itself says that it holds nothing.
`;

const undrainHelp = `Usage: floodgate undrain ID

Takes a node back that \`floodgate drain ID\` took out.
`;

const options = /** @type {const} */ ({ help: { type: 'boolean', short: 'h' } });

/** Edges read the registry twice a second; until then they may still send. */
const noticeMs = 1000;
const maxLooks = 30;
/** So many times a node may be silent, or its registry away, before that is the answer. */
const maxMissed = 5;

/** The node's id, or undefined when help is wanted. @param {string[]} args @param {string} help */
const readId = (args, help) => {
  const { values, positionals } = parseCommand({ args, options, allowPositionals: true }, help);
  if (values.help) return undefined;
  const [id = '', ...rest] = positionals;
  if (id === '' || rest.length > 0) throw new UsageError(`Which node?\n\n${help}`);
  return id;
};

/** @param {string} id */
const unregistered = (id) =>
  `${id} was told, but could not say so in the node registry: does it reach Redis? ` +
  'It goes on trying; until then the edges do as before.';

/** @param {string} id */
const gone = (id) =>
  `${id} is no longer in the node registry: it has ended, or has not reached Redis for 3 s. ` +
  'What it holds is not known.';

/**
 * What the node answers once the registry knows, too. Throws Refusal with what is missing.
 * @param {Env} env @param {'drain' | 'undrain'} action @param {string} id
 * @param {{ wasThere?: boolean }} [known]
 * @returns {Promise<Told>}
 */
const tell = async (env, action, id, { wasThere = false } = {}) => {
  const path = `/nodes/${encodeURIComponent(id)}/${action}`;
  for (let missed = 1; ; missed++) {
    /** What is in the way, where that may pass. @param {unknown} error */
    const passing = (error) => {
      if (!(error instanceof AdminError)) throw error;
      if (error.status === 404 && (wasThere || missed > 1)) throw new Refusal(gone(id));
      if (![503, 504].includes(error.status)) throw error;
      return error.message;
    };
    /** @type {Told | string} */
    const told = await callAdmin(env, 'POST', path).catch(passing);
    const isAnswer = typeof told !== 'string';
    if (isAnswer && told.registered) return told;
    if (missed === maxMissed) throw new Refusal(isAnswer ? unregistered(id) : told);
    await sleep(noticeMs);
  }
};

/** What to print. Throws Refusal. @param {string[]} args @param {Env} env */
export const drainNode = async (args, env) => {
  const id = readId(args, drainHelp);
  if (id === undefined) return drainHelp;
  let told = await tell(env, 'drain', id);
  for (let looks = 0; looks < maxLooks; looks++) {
    await sleep(noticeMs);
    told = await tell(env, 'drain', id, { wasThere: true });
    if (told.inflight === 0)
      return `${id} gets nothing new and holds nothing any more. Back: floodgate undrain ${id}`;
  }
  throw new Refusal(`${id} is draining, but after ${maxLooks} s still holds ${told.inflight}.`);
};

/** What to print. Throws Refusal. @param {string[]} args @param {Env} env */
export const undrainNode = async (args, env) => {
  const id = readId(args, undrainHelp);
  if (id === undefined) return undrainHelp;
  await tell(env, 'undrain', id);
  return `${id} is back.`;
};
