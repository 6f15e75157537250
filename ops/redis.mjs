/**
 * The embedded Redis as a process: started once per data directory, found again by whoever comes next.
 * It outlives its launcher on purpose. Two servers on one append-only file would corrupt it, so before
 * a start we ask the socket and look for the process written down by the last start; the caller holds
 * the data directory's lock.
 */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { codeOf, readIfThere, replaceFile } from './files.mjs';
import { openLog } from './logs.mjs';
import { identify, isAlive, killGroup, signalProcess, waitGroupGone } from './processes.mjs';
import { callRedis } from './redis-call.mjs';
import { writeRedisConfig } from './redis-config.mjs';
import { keepSynced } from './redis-sync.mjs';
import { readRedisPassword } from './secrets.mjs';

/** @typedef {import('./paths.mjs').Paths} Paths */
/** @typedef {import('./processes.mjs').Identity} Identity */
/** @typedef {import('./keeper.mjs').Running} Running */

const pollMs = 50;
const adoptWaitMs = 10_000;
const socketWaitMs = 1000; // a server makes its socket first of all, before it loads its data
const endWaitMs = 10_000;

/** @param {Paths} paths */
const recordPath = (paths) => join(paths.redis, 'process.json');

/** The process that the last start wrote down. @param {Paths} paths */
const readRecord = (paths) => {
  try {
    /** @type {Identity} */
    const identity = JSON.parse(readIfThere(recordPath(paths)) ?? '');
    return isAlive(identity) ? identity : undefined;
  } catch {
    return undefined;
  }
};

/** @param {Paths} paths @param {string[]} command */
export const callOwnRedis = (paths, command) =>
  callRedis(
    { socket: paths.redisSocket, user: 'ops', password: readRedisPassword(paths, 'ops') },
    command,
  ).catch(() => undefined);

/** `up`, `loading` its data, or `down` (nobody answers). @param {Paths} paths */
const askState = async (paths) => {
  const answer = await callOwnRedis(paths, ['PING']);
  if (answer === '+PONG') return 'up';
  return answer?.startsWith('-LOADING') ? 'loading' : 'down';
};

/** Resolves once it serves, never if it ends before. @param {Paths} paths @param {Identity} identity */
const waitUp = async (paths, identity) => {
  while ((await askState(paths)) !== 'up') {
    if (!isAlive(identity)) await new Promise(() => {});
    await sleep(pollMs);
  }
};

/** @param {Paths} paths @returns {Promise<Identity | undefined>} */
const findBySocket = async (paths) => {
  if ((await askState(paths)) === 'down') return undefined;
  const info = await callOwnRedis(paths, ['INFO', 'server']);
  const pid = Number(/^process_id:(\d+)/m.exec(info ?? '')?.[1] ?? 0);
  return pid > 0 ? identify(pid) : undefined;
};

/**
 * A server on our data that is alive and answers. One that is alive but out of reach (its socket was
 * removed, or it hangs) is ended: it is ours, and its data is in the append-only file.
 * @param {Paths} paths
 */
const findLive = async (paths) => {
  const recorded = readRecord(paths);
  if (recorded === undefined) return findBySocket(paths);
  const startedAt = performance.now();
  const patience = () => (existsSync(paths.redisSocket) ? adoptWaitMs : socketWaitMs);
  while (isAlive(recorded) && performance.now() - startedAt < patience()) {
    if ((await askState(paths)) !== 'down') return recorded;
    await sleep(pollMs);
  }
  signalProcess(recorded, 'SIGTERM');
  if (!(await waitGroupGone(recorded, endWaitMs))) killGroup(recorded);
  await waitGroupGone(recorded, endWaitMs);
  return undefined;
};

/** Resolves when a process that is not our child has ended. @param {Identity} identity */
const watchEnd = async (identity) => {
  while (isAlive(identity)) await sleep(pollMs * 2);
  return 'ended';
};

/** @param {Paths} paths @param {Identity} identity @returns {Running} */
const adopt = (paths, identity) => {
  // The rules may be newer than the server: its users follow the file written at this start.
  const ready = waitUp(paths, identity).then(() => callOwnRedis(paths, ['ACL', 'LOAD']));
  return {
    identity,
    isAdopted: true,
    ready: ready.then(() => {}),
    gone: watchEnd(identity),
    lastWords: () => '',
  };
};

/**
 * Writes down which process it is. Where that fails its socket tells: it is not ended for it.
 * @param {Paths} paths
 * @param {Identity} identity
 * @param {(text: string) => void} say
 */
const record = (paths, identity, say) => {
  try {
    replaceFile(recordPath(paths), `${JSON.stringify(identity)}\n`);
  } catch (error) {
    say(
      `${recordPath(paths)} could not be written (${codeOf(error)}): should we be killed, only ` +
        'its socket tells that Redis runs. Make room there, then stop and start.',
    );
  }
};

/**
 * @param {Paths} paths
 * @param {string} config
 * @param {{ binary: string, say: (text: string) => void }} given
 * @returns {Running}
 */
const startServer = (paths, config, { binary, say }) => {
  const log = openLog(paths, 'redis');
  const child = spawn(binary, [config], {
    argv0: 'redis-server',
    detached: true,
    stdio: ['ignore', log.fd, log.fd],
    cwd: paths.redis,
    env: {},
  });
  log.close();
  const gone = new Promise((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('exit', (code, signal) => resolve(signal ?? `code ${code}`));
  });
  const identity = identify(child.pid ?? 0);
  record(paths, identity, say);
  return {
    identity,
    isAdopted: false,
    ready: waitUp(paths, identity),
    gone,
    lastWords: log.lastWords,
  };
};

/**
 * Adopts the live server on this data directory or starts one; its data is synced while it runs.
 * @param {Paths} paths
 * @param {string} binary
 * @param {(text: string) => void} [say]
 * @returns {Promise<Running>}
 */
export const launchRedis = async (paths, binary, say = console.error) => {
  const config = writeRedisConfig(paths);
  const live = await findLive(paths);
  const running =
    live === undefined ? startServer(paths, config, { binary, say }) : adopt(paths, live);
  running.gone.finally(keepSynced(paths.redis, say));
  return running;
};
