/**
 * `floodgate certs`: the certificates with which gateway and nodes on several machines know each other.
 * A directory holds the CA, the gateway's pair and one pair per node (or per machine: a certificate for
 * NAME is also good for the nodes NAME-0, NAME-1, …). Keys are 0600. Nothing is ever overwritten but
 * with --renew, and never the CA: programs read changed files by themselves, within a second.
 */
import { X509Certificate } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { issue, makeCa } from './certs-issue.mjs';
import {
  codeOf,
  createOnce,
  makePrivateDir,
  readIfThere,
  removeIfThere,
  replaceFile,
} from './files.mjs';
import { parseCommand } from './input.mjs';
import { takeLock } from './lock.mjs';
import { projectRoot } from './paths.mjs';
import { Refusal, UsageError } from './refusal.mjs';

/** @typedef {import('./certs-issue.mjs').Pair} Pair */
/** @typedef {{ dir: string, hosts: string[], mayReplace: boolean }} Options */

const certsHelp = `Usage: floodgate certs <command> [--dir D] [--renew]

  init                       make a CA and the gateway's certificate
  node NAME [--host H]…      make a certificate for the node NAME, or for the nodes NAME-0, NAME-1, …
  show                       list certificates and when they end

  --dir D    where they are (default DATA_DIR/certs)
  --host H   a host name or address to put into the certificate as well; may be repeated
  --renew    replace the certificate by a new one of the same CA

The CA is good for 10 years, the others for one: renew them before. Keep ca.key.pem to yourself.
`;

/** @param {string} dir @param {string} name */
const pathsOf = (dir, name) => ({
  cert: join(dir, `${name}.cert.pem`),
  key: join(dir, `${name}.key.pem`),
});

/** @param {string} dir @param {string} name @param {Pair} pair @param {boolean} mayReplace */
const writePair = (dir, name, pair, mayReplace) => {
  const paths = pathsOf(dir, name);
  const isThere = readIfThere(paths.cert) !== undefined;
  if (!mayReplace && (isThere || !createOnce(paths.key, pair.key)))
    throw new Refusal(
      `${paths.key} or its certificate is there already; nothing was overwritten. ` +
        'Use --renew for a new certificate of the same CA, or another --dir.',
    );
  // The key first: a program that looks in between keeps its old pair until the other half is there.
  if (mayReplace) replaceFile(paths.key, pair.key);
  replaceFile(paths.cert, pair.cert);
  return paths;
};

/** @param {string} dir @returns {Pair} */
const readCa = (dir) => {
  const paths = pathsOf(dir, 'ca');
  const [cert, key] = [readIfThere(paths.cert), readIfThere(paths.key)];
  if (cert === undefined || key === undefined)
    throw new Refusal(`There is no CA in ${dir}. Make one with: floodgate certs init --dir ${dir}`);
  return { cert, key };
};

/**
 * A key without a certificate, of an init that was killed, has certified nothing and is replaced:
 * by one at a time, or the key of one would be beside the certificate of another.
 * @param {string} dir
 */
const writeCa = async (dir) => {
  const lock = await takeLock(join(dir, 'ca.lock'), `Another certs init works in ${dir}`);
  try {
    const paths = pathsOf(dir, 'ca');
    if (readIfThere(paths.cert) === undefined) removeIfThere(paths.key);
    writePair(dir, 'ca', await makeCa(), false);
  } finally {
    lock.release();
  }
};

const gateway = /** @type {const} */ ({
  name: 'gateway',
  uri: 'floodgate://gateway',
  hosts: [],
  usage: 'client',
});

/** @param {string} dir @param {{ cert: string, key: string }} paths */
const describeFiles = (dir, paths) =>
  [
    `  NODE_TLS_CERT_FILE=${paths.cert}`,
    `  NODE_TLS_KEY_FILE=${paths.key}`,
    `  NODE_TLS_CA_FILE=${pathsOf(dir, 'ca').cert}`,
  ].join('\n');

/** @param {Options} options */
const init = async ({ dir, mayReplace }) => {
  makePrivateDir(dir);
  if (!mayReplace) await writeCa(dir);
  const pair = await issue(readCa(dir), { ...gateway, hosts: [] });
  const paths = writePair(dir, 'gateway', pair, mayReplace);
  return `On the gateway:
${describeFiles(dir, paths)}

Then for each node machine: floodgate certs node NAME --dir ${dir}
Whoever has ${pathsOf(dir, 'ca').key} can be any node: keep it off the machines that serve.`;
};

/** @param {string} name @param {Options} options */
const node = async (name, { dir, hosts, mayReplace }) => {
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,119}$/.test(name))
    throw new UsageError(
      'NAME must have 1 to 120 of A-Z a-z 0-9 . _ - and begin with one of A-Z a-z 0-9.',
    );
  const uri = `floodgate://node/${name}`;
  const pair = await issue(readCa(dir), { name, uri, hosts, usage: 'server' });
  const paths = writePair(dir, `node-${name}`, pair, mayReplace);
  return `On the machine of ${name}, with these three files copied there (the key for its user only):
${describeFiles(dir, paths)}
  NODE_ID=${name}            (several nodes there: ${name}-0, ${name}-1, … and port 0)
  NODE_LISTEN=0.0.0.0:7443   (for reloads by signal: 0.0.0.0:0, a free port, without NODE_ADVERTISE)
  NODE_ADVERTISE=HOST:7443   (where the gateway reaches it; default: its host name and port)
The gateway's NODE_SECRET and a Redis that both reach are needed there, too, and all CREDENTIALS_*,
PASSWORD_KEYS and PASSWORD_PEPPER of the other nodes.`;
};

/** @param {Options} options */
const show = ({ dir }) => {
  const names = readdirSync(dir).filter((name) => name.endsWith('.cert.pem'));
  if (names.length === 0) throw new Refusal(`There are no certificates in ${dir}.`);
  const rows = names.sort().map((name) => {
    const cert = new X509Certificate(readIfThere(join(dir, name)) ?? '');
    const ends = new Date(cert.validTo);
    const days = Math.floor((ends.getTime() - Date.now()) / 86_400_000);
    const what = cert.subjectAltName?.replace(/^URI:/, '') ?? cert.subject.replace(/^CN=/, '');
    const left = days < 0 ? 'HAS ENDED' : `${days} days left`;
    return `${name.padEnd(28)} ${ends.toISOString().slice(0, 10)}  ${left.padEnd(15)} ${what}`;
  });
  return rows.join('\n');
};

const known = /** @type {const} */ ({
  dir: { type: 'string' },
  host: { type: 'string', multiple: true },
  renew: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
});

/** @param {string[]} args @param {import('./paths.mjs').Env} env */
const parse = (args, env) => {
  const config = { args, allowPositionals: true, options: known };
  const { values, positionals } = parseCommand(config, certsHelp);
  const dir = resolve(values.dir ?? join(env.DATA_DIR || join(projectRoot, '.data'), 'certs'));
  const options = { dir, hosts: values.host ?? [], mayReplace: values.renew === true };
  return { options, positionals: values.help ? ['help'] : positionals };
};

/**
 * What to print. Throws Refusal with what is wrong and what to do.
 * @param {string[]} args
 * @param {import('./paths.mjs').Env} env
 */
export const runCerts = async (args, env) => {
  const { options, positionals } = parse(args, env);
  const [command, name, ...rest] = positionals;
  try {
    if (command === 'help') return certsHelp;
    if (command === 'init' && name === undefined) return await init(options);
    if (command === 'node' && name !== undefined && rest.length === 0)
      return await node(name, options);
    if (command === 'show' && name === undefined) return show(options);
  } catch (error) {
    if (!['EACCES', 'EROFS', 'ENOENT', 'ENOTDIR', 'EPERM'].includes(codeOf(error))) throw error;
    throw new Refusal(`${options.dir} cannot be used (${codeOf(error)}). Set another --dir.`);
  }
  throw new UsageError(certsHelp);
};
