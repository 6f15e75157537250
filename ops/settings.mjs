/**
 * The few settings that the launcher itself must understand; gateway and nodes read and check theirs.
 * Also what is the same for `npm start` and pm2: the environment of each program.
 */
import { countCpus, memoryBytes } from './machine.mjs';
import { Refusal } from './refusal.mjs';
import { secretSettings } from './secrets.mjs';

/** @typedef {import('./paths.mjs').Paths} Paths */
/** @typedef {import('./paths.mjs').Env} Env */

/**
 * @param {Env} env
 * @param {string} name
 * @param {{ default: number, min: number, max: number }} range
 */
const readInt = (env, name, range) => {
  const text = env[name];
  if (!text) return range.default;
  const value = /^\d{1,6}$/.test(text) ? Number(text) : Number.NaN;
  if (value >= range.min && value <= range.max) return value;
  throw new Refusal(`${name} must be a whole number from ${range.min} to ${range.max}.`);
};

const defaultMemoryKiB = 19_456;

const thisMachine = () => ({ cpus: countCpus(), memory: memoryBytes() });

/**
 * The cores among the nodes, and no more than half of the memory for all their hashes: a node
 * refuses what does not fit, and nobody set it. A wrong ARGON2_MEMORY_KIB is for the node to explain.
 * @param {Env} env
 * @param {number} nodes
 * @param {ReturnType<typeof thisMachine>} machine
 */
const threadsOf = ({ ARGON2_MEMORY_KIB }, nodes, { cpus, memory }) => {
  const bytesEach = 1024 * (Number(ARGON2_MEMORY_KIB) || defaultMemoryKiB);
  const fitting = memory / 2 / bytesEach;
  return Math.max(1, Math.floor(Math.min(cpus, fitting) / nodes));
};

/** @param {Env} env */
export const readSettings = (env, machine = thisMachine()) => {
  const nodes = readInt(env, 'NODES', { default: 2, min: 1, max: 64 });
  return {
    nodes,
    host: env.HOST || '0.0.0.0',
    port: readInt(env, 'PORT', { default: 8080, min: 0, max: 65_535 }),
    adminHost: env.ADMIN_HOST || '127.0.0.1',
    adminPort: readInt(env, 'ADMIN_PORT', { default: 9464, min: 0, max: 65_535 }),
    hasTls: Boolean(env.TLS_CERT_FILE),
    hashThreads: env.HASH_THREADS || String(threadsOf(env, nodes, machine)),
  };
};

/** What a program gets beside the caller's environment. @param {Paths} paths @param {Env} env */
export const workerSettings = (paths, env) => ({
  ...secretSettings(paths, 'worker', env),
  RUNTIME_DIR: env.RUNTIME_DIR || paths.runtime,
  HASH_THREADS: readSettings(env).hashThreads,
});

/** @param {Paths} paths @param {Env} env */
export const gatewaySettings = (paths, env) => ({
  ...secretSettings(paths, 'gateway', env),
  RUNTIME_DIR: env.RUNTIME_DIR || paths.runtime,
});
