/**
 * `floodgate clients`: the OAuth clients of a gateway, by its admin port. A secret is printed once, when
 * it is made; what is stored of it is a hash.
 */
import { callAdmin } from './admin-call.mjs';
import { parseCommand, readJsonFile } from './input.mjs';
import { UsageError } from './refusal.mjs';
import { formatTable } from './table.mjs';

/** @typedef {import('./paths.mjs').Env} Env */
/** @typedef {Record<string, any>} Client */
/** @typedef {Record<string, string | boolean | undefined>} Options */

const clientsHelp = `Usage: floodgate clients <command>

  add NAME [options]    a new client; prints its id and, unless it has keys of its own, its secret
  list [--json]         all clients
  set ID [options]      change what is given, leave the rest
  rotate ID             one more secret; the one before stays valid, older ones do not
  rotate ID --settle    end a rotation: only the newest secret stays valid
  remove ID             at once, with all its tokens

  --auth METHOD         client_secret_basic (default), client_secret_post or private_key_jwt; add only
  --jwks FILE           its public keys as a JWK set, for private_key_jwt
  --scopes "A B"        what it may ask for (default: none)
  --audience A          whom its access tokens are for (default: the gateway's AUDIENCE)
  --introspect RIGHT    which tokens it may ask about: own (default; issued to it or for it), any, none
  --grants "G G"        client_credentials and refresh_token (default: both)
  --name NAME           set only
  --disable, --enable   set only; a disabled client loses its tokens at once

Every process of the gateway knows of a change within 3 seconds.
`;

const options = /** @type {const} */ ({
  auth: { type: 'string' },
  jwks: { type: 'string' },
  scopes: { type: 'string' },
  audience: { type: 'string' },
  introspect: { type: 'string' },
  grants: { type: 'string' },
  name: { type: 'string' },
  disable: { type: 'boolean' },
  enable: { type: 'boolean' },
  settle: { type: 'boolean' },
  json: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
});

/** What the admin port is asked to store. @param {Options} values */
const readFields = ({
  auth,
  jwks,
  scopes,
  audience,
  introspect,
  grants,
  name,
  disable,
  enable,
}) => ({
  ...{ auth, scopes, audience, introspect, grants, name },
  ...(typeof jwks === 'string' ? { jwks: readJsonFile(jwks, 'a JWK set') } : {}),
  ...(disable ? { status: 'disabled' } : {}),
  ...(enable ? { status: 'active' } : {}),
});

/** @param {Client} client */
const describeSecret = ({ client_id, client_secret }) =>
  client_secret === undefined
    ? `client_id      ${client_id}`
    : `client_id      ${client_id}\nclient_secret  ${client_secret}\nKeep the secret now: it is not shown again.`;

/** @param {Client} client */
const row = (client) => [
  client.client_id,
  client.name,
  client.status,
  client.secrets.length > 1 ? `${client.auth} (rotating)` : client.auth,
  client.scopes || '-',
  client.introspect,
];

/** @param {Env} env @param {Options} values */
const list = async (env, values) => {
  const { clients } = await callAdmin(env, 'GET', '/clients');
  if (values.json) return JSON.stringify({ clients }, null, 2);
  if (clients.length === 0) return 'No clients. Make one: floodgate clients add NAME';
  return formatTable([
    ['client', 'name', 'status', 'authentication', 'scopes', 'introspects'],
    ...clients.map(row),
  ]);
};

/** @type {Record<string, (env: Env, subject: string, values: Options) => Promise<string>>} */
const commands = {
  add: async (env, name, values) =>
    describeSecret(await callAdmin(env, 'POST', '/clients', { ...readFields(values), name })),
  set: async (env, id, values) => {
    await callAdmin(env, 'PATCH', `/clients/${encodeURIComponent(id)}`, readFields(values));
    return `${id} is changed.`;
  },
  rotate: async (env, id, { settle }) => {
    const action = settle ? 'settle' : 'rotate';
    const client = await callAdmin(env, 'POST', `/clients/${encodeURIComponent(id)}/${action}`);
    return settle ? `${id} has one valid secret, the newest.` : describeSecret(client);
  },
  remove: async (env, id) => {
    await callAdmin(env, 'DELETE', `/clients/${encodeURIComponent(id)}`);
    return `${id} is removed; its tokens are refused everywhere.`;
  },
};

/** What to print. Throws Refusal. @param {string[]} args @param {Env} env */
export const runClients = async (args, env) => {
  const config = { args, allowPositionals: true, options };
  const { values, positionals } = parseCommand(config, clientsHelp);
  const [command = '', subject, ...rest] = positionals;
  if (values.help) return clientsHelp;
  if (command === 'list' && subject === undefined) return list(env, values);
  const run = Object.hasOwn(commands, command) ? commands[command] : undefined;
  if (run === undefined || subject === undefined || rest.length > 0)
    throw new UsageError(clientsHelp);
  return run(env, subject, values);
};
