/**
 * `floodgate keys list` and `floodgate keys rotate [--refresh | --device | --revoke KID]`: the keys that
 * sign access tokens, and those behind refresh and device tokens.
 * Rotating is safe at any time: the new key is published first and signs later, the old one stays until
 * its last token is dead. Revoking is for a key that somebody else may have.
 */
import { callAdmin } from './admin-call.mjs';
import { Refusal } from './refusal.mjs';
import { formatTable } from './table.mjs';

/** @typedef {import('./paths.mjs').Env} Env */
/** @typedef {{ kid: string, alg: string, state: string, created_at: string, signs_from: string }} Key */
/** @typedef {{ id: string, purpose: string, state: string, created_at: string | null, signs_from: string | null }} Mac */
/** @typedef {{ keys: Key[], macs: Mac[] }} Ring */

const usage =
  'floodgate keys list [--json] | floodgate keys rotate [--refresh | --device | --revoke KID] [--json]';
const columns = /** @type {const} */ (['key', 'algorithm', 'state', 'made', 'signs from']);

/** Keys of earlier versions have no times. @param {string | null} time */
const short = (time) => time?.replace(/\.\d+Z$/, 'Z') ?? '–';

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

/** @param {Env} env @param {string | undefined} kid */
const revoke = async (env, kid) => {
  const { keys } = await readKeys(env);
  if (!keys.some((key) => key.kid === kid))
    throw new Refusal('Revoke which key? `floodgate keys list` shows their ids.');
  return call(env, 'POST', '/keys/rotate', { revoke: kid });
};

/** @type {ReadonlyMap<string | undefined, object>} */
const wishes = new Map([
  [undefined, {}],
  ['--refresh', { purpose: 'refresh' }],
  ['--device', { purpose: 'device' }],
]);

/** @param {readonly string[]} args @param {Env} env */
export const runKeys = async (args, env) => {
  const asJson = args.includes('--json');
  const [verb, option, kid, ...rest] = args.filter((arg) => arg !== '--json');
  const isRevoke = option === '--revoke' && rest.length === 0;
  if (verb === 'list' && option === undefined) return show(await readKeys(env), asJson);
  if (verb === 'rotate' && isRevoke) return show(await revoke(env, kid), asJson);
  const wish = wishes.get(option);
  if (verb !== 'rotate' || wish === undefined || kid !== undefined)
    throw new Refusal(`Usage: ${usage}`);
  return show(await call(env, 'POST', '/keys/rotate', wish), asJson);
};
