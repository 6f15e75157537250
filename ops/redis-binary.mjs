/**
 * Finds a Redis server on this machine, or installs one. Debian's `redis-tools` brings no service and
 * nothing that starts by itself, but its `redis-check-rdb` is the whole server: the name it is called
 * by (argv[0]) decides what it does.
 */
import { spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { Refusal } from './refusal.mjs';
import { runStep } from './run-step.mjs';

const names = ['redis-server', 'valkey-server', 'redis-check-rdb'];
const installCommand = 'apt-get install -y --no-install-recommends redis-tools';
const oldestMajor = 7;

/** @param {string} path */
const isExecutable = (path) => {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
};

/** Redis 7 or newer, or Valkey (whose first version is 7). @param {string} path */
const isNewEnough = (path) => {
  const options = { argv0: 'redis-server', encoding: /** @type {const} */ ('utf8'), timeout: 5000 };
  const { stdout } = spawnSync(path, ['--version'], options);
  return Number(/v=(\d+)\./.exec(stdout ?? '')?.[1] ?? 0) >= oldestMajor;
};

/** The server's path, or undefined. @param {string} searchPath the PATH setting */
export const findRedisBinary = (searchPath) => {
  const folders = [...searchPath.split(delimiter), '/usr/bin', '/usr/local/bin'].filter(Boolean);
  return names
    .flatMap((name) => folders.map((folder) => join(folder, name)))
    .find((path) => isExecutable(path) && isNewEnough(path));
};

/** Words to put before a command that needs root; undefined when we may not. */
const rootPrefix = () => {
  if (process.getuid?.() === 0) return [];
  return spawnSync('sudo', ['-n', 'true'], { stdio: 'ignore' }).status === 0
    ? ['sudo', '-n']
    : undefined;
};

/**
 * @param {{ searchPath: string, say: (text: string) => void, signal?: AbortSignal }} options
 * @returns {Promise<string>}
 */
export const ensureRedisBinary = async ({ searchPath, say, signal }) => {
  const found = findRedisBinary(searchPath);
  if (found !== undefined) return found;

  const prefix = rootPrefix();
  if (!existsSync('/etc/debian_version') || prefix === undefined)
    throw new Refusal(
      'Redis 7 or newer is missing. Install it, on Debian or Ubuntu with\n' +
        `  sudo apt-get update && sudo ${installCommand}\n` +
        'or set REDIS_URL to a Redis of your own, then start again.',
    );
  const env = { DEBIAN_FRONTEND: 'noninteractive' };
  const hint = `Install Redis yourself: sudo apt-get update && sudo ${installCommand}`;
  const run = (/** @type {string} */ command) =>
    runStep([...prefix, ...command.split(' ')], {
      label: 'Installing Redis (redis-tools)',
      hint,
      env,
      say,
      signal,
    });
  await run('apt-get update');
  await run(installCommand);
  const installed = findRedisBinary(searchPath);
  if (installed === undefined)
    throw new Refusal('The redis-tools of this system are older than Redis 7. Set REDIS_URL.');
  return installed;
};
