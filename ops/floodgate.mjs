#!/usr/bin/env node
/**
 * The `floodgate` command: one verb per row. A verb's code is loaded only when it is asked for, so
 * that `init` needs nothing installed. Prints what the verb returns, or what is wrong, and then
 * exits with 1, or with 2 where the command line is what is wrong.
 */
import { explain, UsageError } from './refusal.mjs';

/** @typedef {(args: string[], env: Record<string, string | undefined>) => string | Promise<string>} Verb */

/** @type {Record<string, { help: string, load: () => Promise<Verb> }>} */
const verbs = {
  init: {
    help: 'make the data directory (DATA_DIR, default .data) and its secrets, once',
    load: async () => (await import('./init.mjs')).runInit,
  },
  certs: {
    help: 'make certificates for nodes on other machines: floodgate certs --help',
    load: async () => (await import('./certs.mjs')).runCerts,
  },
  nodes: {
    help: 'show the nodes as the edges see them: floodgate nodes --help',
    load: async () => (await import('./nodes.mjs')).showNodes,
  },
  drain: {
    help: 'send a node nothing new, wait until it holds nothing: floodgate drain ID',
    load: async () => (await import('./drain.mjs')).drainNode,
  },
  undrain: {
    help: 'take it back: floodgate undrain ID',
    load: async () => (await import('./drain.mjs')).undrainNode,
  },
  clients: {
    help: 'OAuth clients: floodgate clients --help',
    load: async () => (await import('./clients.mjs')).runClients,
  },
  migrate: {
    help: 'wrap weak hashes in bulk: floodgate migrate --help',
    load: async () => (await import('./migrate.mjs')).runMigrate,
  },
  users: {
    help: 'import, export, show and change users: floodgate users --help',
    load: async () => (await import('./users.mjs')).runUsers,
  },
  keys: {
    help: 'the keys behind all tokens: floodgate keys --help',
    load: async () => (await import('./keys.mjs')).runKeys,
  },
  calibrate: {
    help: 'argon2id settings for this machine, measured: floodgate calibrate --help',
    load: async () => (await import('./calibrate.mjs')).runCalibrate,
  },
};

const help = [
  'Usage: floodgate <command>',
  '',
  ...Object.entries(verbs).map(([name, verb]) => `  ${name.padEnd(9)} ${verb.help}`),
  '  --help    this text; each command has one of its own',
  '',
  'Exit status: 0; 1 when it failed; 2 when the command line is wrong.',
  'Where the gateway is: ADMIN_URL, or ADMIN_HOST and ADMIN_PORT; its token: ADMIN_TOKEN(_FILE) or DATA_DIR.',
].join('\n');

const [name = '', ...args] = process.argv.slice(2);
const verb = Object.hasOwn(verbs, name) ? verbs[name] : undefined;
try {
  if (verb !== undefined) {
    const text = await (await verb.load())(args, process.env);
    if (text !== '') console.log(text);
  } else if (name === '--help' || name === '-h') console.log(help);
  else {
    console.error(help);
    process.exitCode = 2;
  }
} catch (error) {
  console.error(explain(error));
  process.exitCode = error instanceof UsageError ? 2 : 1;
}
