/**
 * The check of `floodgate calibrate`: the parameters found in a real system of its own (Redis, one node
 * with all threads, a gateway) in a temporary directory, and logins at 70 % of the measured rate that
 * arrive whether or not the earlier ones were answered. Ends everything it started.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { importUsers, sendLogins } from './calibrate-load.mjs';
import { launchChild, programs } from './children.mjs';
import { openLog } from './logs.mjs';
import { preparePaths } from './paths.mjs';
import { killGroup, signalProcess, waitGroupGone } from './processes.mjs';
import { launchRedis } from './redis.mjs';
import { findRedisBinary } from './redis-binary.mjs';
import { initSecrets, readAdminToken } from './secrets.mjs';
import { gatewaySettings, workerSettings } from './settings.mjs';

/** @typedef {import('./calibrate-table.mjs').Candidate} Candidate */
/** @typedef {import('./keeper.mjs').Running} Running */
/** @typedef {import('./paths.mjs').Env} Env */
/** @typedef {import('./calibrate-load.mjs').Check} Check */
/**
 * @typedef {{ threads: number, chosen: Candidate | undefined, password: string, hash: string, env: Env,
 *   progress: (text: string) => void }} Given
 */

const share = 0.7;
const sizes = { warmUpMs: 2000, runMs: 6000 };
const readyMs = 30_000;
const drainMs = 12_000;
const signals = /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP']);

/** @returns {Promise<number>} */
const freePort = () =>
  new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address ? address.port : 0));
    });
  });

/** @param {Running} running */
const end = async ({ identity }) => {
  signalProcess(identity, 'SIGTERM');
  if (await waitGroupGone(identity, drainMs)) return;
  killGroup(identity);
  await waitGroupGone(identity, drainMs);
};

/** Rejects when it ends instead. @param {Running} running */
const untilReady = async ({ ready, gone, lastWords }) => {
  /** @type {NodeJS.Timeout | undefined} */
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error('was not ready in time')), readyMs);
  });
  const dead = gone.then((why) => Promise.reject(new Error(lastWords() || String(why))));
  dead.catch(() => {});
  await Promise.race([ready, dead, late]).finally(() => clearTimeout(timer));
};

/** Nothing of the caller's settings but where programs are. @param {Env} env @param {string} dir */
const cleanEnv = ({ PATH, HOME }, dir) => ({ PATH, HOME, DATA_DIR: dir, LOG_LEVEL: 'warn' });

/** @param {Candidate} chosen @param {number} threads */
const nodeSettings = ({ memory_kib, passes, lanes }, threads) => ({
  ...{ NODE_ID: 'calibrate', HASH_THREADS: String(threads) },
  ...{ ARGON2_MEMORY_KIB: String(memory_kib), ARGON2_PASSES: String(passes) },
  ARGON2_LANES: String(lanes),
});

/**
 * @param {{ redis: string, chosen: Candidate, threads: number, env: Env }} given
 * @param {(step: () => unknown) => void} onStop
 */
const startSystem = async ({ redis, chosen, threads, env: caller }, onStop) => {
  const dir = mkdtempSync(join(tmpdir(), 'floodgate-calibrate-'));
  onStop(() => rmSync(dir, { recursive: true, force: true }));
  const env = cleanEnv(caller, dir);
  const paths = preparePaths(env);
  onStop(() => rmSync(paths.runtime, { recursive: true, force: true }));
  initSecrets(paths);
  /** @param {Running} running */
  const keep = async (running) => {
    onStop(() => end(running));
    await untilReady(running);
  };
  await keep(await launchRedis(paths, redis));
  const node = { ...env, ...workerSettings(paths, env), ...nodeSettings(chosen, threads) };
  await keep(
    await launchChild({ script: programs.worker, env: node, log: openLog(paths, 'node') }),
  );
  const [port, adminPort] = [await freePort(), await freePort()];
  const listening = { HOST: '127.0.0.1', PORT: String(port), ADMIN_PORT: String(adminPort) };
  const gateway = {
    ...{ ...env, ...gatewaySettings(paths, env), ...listening },
    TRUSTED_PROXIES: '127.0.0.1',
  };
  await keep(
    await launchChild({ script: programs.gateway, env: gateway, log: openLog(paths, 'gateway') }),
  );
  return { port, adminPort, token: readAdminToken(paths, env) };
};

/** Steps to end what was started, taken backwards, once; also when the terminal says so or goes. */
const createStop = () => {
  /** @type {(() => unknown)[]} */
  const steps = [];
  const stop = async () => {
    for (let step = steps.pop(); step !== undefined; step = steps.pop()) await step();
  };
  const onSignal = () => void stop().finally(() => process.exit(130));
  for (const signal of signals) process.once(signal, onSignal);
  const done = async () => {
    await stop();
    for (const signal of signals) process.off(signal, onSignal);
  };
  return { onStop: (/** @type {() => unknown} */ step) => void steps.push(step), done };
};

/** @param {Given} given @returns {Promise<Check>} */
export const checkByLogins = async (given, { warmUpMs, runMs } = sizes) => {
  const { threads, chosen, password, hash, env, progress } = given;
  const redis = findRedisBinary(env.PATH ?? '');
  if (redis === undefined)
    return { left_out: 'no Redis 7 or newer here (apt-get install redis-tools)' };
  if (chosen === undefined) return { left_out: 'nothing to check' };
  const { onStop, done } = createStop();
  try {
    progress('starting a node to check it');
    const system = await startSystem({ redis, chosen, threads, env }, onStop);
    const rate = share * chosen.per_second;
    progress('making accounts');
    const names = await importUsers(system, { hash, count: 50 + Math.ceil(rate) });
    const logins = { names, password, perSecond: rate };
    progress('warming up');
    await sendLogins(system, { ...logins, forMs: warmUpMs });
    progress(`logins at ${rate.toFixed(1)} a second`);
    return { rate, ...(await sendLogins(system, { ...logins, forMs: runMs })) };
  } catch (error) {
    return { left_out: error instanceof Error ? error.message : 'unknown error' };
  } finally {
    await done();
  }
};
