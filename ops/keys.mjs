/**
 * `floodgate keys list` and `floodgate keys rotate [--refresh | --device | --revoke KID]`: the keys that
 * sign access tokens, and those behind refresh and device tokens.
 * Rotating is safe at any time: the new key is published first and signs later, the old one stays until
 * its last token is dead. Revoking is for a key that somebody else may have.
 */
import { callAdmin } from './admin-call.mjs';
import { parseCommand } from './input.mjs';
import { Refusal, UsageError } from './refusal.mjs';
import { formatTable } from './table.mjs';

/** @typedef {import('./paths.mjs').Env} Env */
/** @typedef {{ kid: string, alg: string, state: string, created_at: string, signs_from: string }} Key */
/** @typedef {{ id: string, purpose: string, state: string, created_at: string, signs_from: string }} Mac */
/** @typedef {{ keys: Key[], macs: Mac[] }} Ring */

const keysHelp = `Usage: floodgate keys <command> [--json]

  list                  the keys behind all tokens: which signs, which comes next, which only verify
  rotate                a new key for access tokens; nobody notices
  rotate --refresh      the same for refresh tokens
  rotate --device       the same for device tokens
  rotate --revoke KID   a key that somebody else may have: its tokens are dead here within 3 seconds, at
                        resource servers that verify by themselves when their copy of the JWKS ends

  --json                as JSON
`;

const options = /** @type {const} */ ({
  refresh: { type: 'boolean' },
  device: { type: 'boolean' },
  revoke: { type: 'string' },
  json: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
});

const columns = /** @type {const} */ (['key', 'algorithm', 'state', 'made', 'signs from']);

/** @param {string} time */
const short = (time) => time.replace(/\.\d+Z$/, 'Z');

/** @param {Key} key */
const row = (key) => [key.kid, key.alg, key.state, short(key.created_at), short(key.signs_from)];

/** @param {Mac} mac */
const macRow = (mac) => [
  ...[mac.id, `HMAC ${mac.purpose}`, mac.state],
  ...[short(mac.created_at), short(mac.signs_from)],
];

/** @param {Ring} ring @param {boolean} asJson */
const show = (ring, asJson) =>
  asJson
    ? JSON.stringify(ring, null, 2)
    : formatTable([columns, ...ring.keys.map(row), ...ring.macs.map(macRow)]);

/** @param {Env} env @param {'GET' | 'POST'} method @param {string} path @param {object} [wish] @returns {Promise<Ring>} */
const call = async (env, method, path, wish) => {
  const { keys, macs } = await callAdmin(env, method, path, wish);
  return { keys, macs };
};

/** @param {Env} env */
const readKeys = (env) => call(env, 'GET', '/keys');

/** @param {Env} env @param {string} kid */
const revoke = async (env, kid) => {
  const { keys } = await readKeys(env);
  if (!keys.some((key) => key.kid === kid))
    throw new Refusal('Revoke which key? `floodgate keys list` shows their ids.');
  return call(env, 'POST', '/keys/rotate', { revoke: kid });
};

/** One id in 64 begins with a dash, as an option would. @param {string[]} args */
const joinKid = (args) => {
  const at = args.indexOf('--revoke');
  const kid = at === -1 ? undefined : args[at + 1];
  if (kid === undefined || kid.startsWith('--')) return args;
  return [...args.slice(0, at), `--revoke=${kid}`, ...args.slice(at + 2)];
};

/** @param {{ refresh?: boolean | undefined, device?: boolean | undefined }} values */
const wishOf = ({ refresh, device }) => {
  if (refresh) return { purpose: 'refresh' };
  return device ? { purpose: 'device' } : {};
};

/** What to print. Throws Refusal. @param {string[]} args @param {Env} env */
export const runKeys = async (args, env) => {
  const config = { args: joinKid(args), allowPositionals: true, options };
  const { values, positionals } = parseCommand(config, keysHelp);
  const { refresh, device, revoke: kid, json = false, help } = values;
  if (help) return keysHelp;
  const command = positionals.join(' ');
  const wishes = [refresh, device, kid].filter((value) => value !== undefined).length;
  if (command === 'list' && wishes === 0) return show(await readKeys(env), json);
  if (command !== 'rotate' || wishes > 1) throw new UsageError(keysHelp);
  if (kid !== undefined) return show(await revoke(env, kid), json);
  return show(await call(env, 'POST', '/keys/rotate', wishOf(values)), json);
};
