/**
 * Brings the whole system up on one machine and keeps it up: Redis, the nodes, the gateway, in this
 * order, each kept by a keeper; stops them in the opposite order. It holds the lock of the data
 * directory from before the first start until after the last stop.
 */
import { hostname } from 'node:os';
import { isatty } from 'node:tty';
import { formatBanner } from './banner.mjs';
import { launchChild, nodeStopMs, programs } from './children.mjs';
import { ensureBuilt, ensureInstalled, isOutdated, outdatedHint } from './install.mjs';
import { createKeeper } from './keeper.mjs';
import { takeLock } from './lock.mjs';
import { keepLogsSmall, openLog } from './logs.mjs';
import { endOrphans } from './orphans.mjs';
import { preparePaths } from './paths.mjs';
import { checkPort } from './ports.mjs';
import { launchRedis } from './redis.mjs';
import { ensureRedisBinary } from './redis-binary.mjs';
import { explain } from './refusal.mjs';
import { createReload } from './reload.mjs';
import { adminTokenPlace, hasOwnRedis, initSecrets } from './secrets.mjs';
import { gatewaySettings, readSettings, workerSettings } from './settings.mjs';

/** @typedef {import('./keeper.mjs').Keeper} Keeper */
/** @typedef {import('./paths.mjs').Env} Env */

const secondSignalMs = 500; // npm and the terminal both pass on one Ctrl-C
const redisLoadMs = 600_000;
const stopMs = { gateway: 45_000, node: nodeStopMs, redis: 30_000 };

/** @param {string} text */
const say = (text) => console.log(text);

/** @param {Env} env @param {AbortSignal} signal */
const createSystem = (env, signal) => {
  /** @type {Keeper[]} in the order in which they were started */
  const keepers = [];
  const settings = readSettings(env);
  const paths = preparePaths(env);
  /** @type {Awaited<ReturnType<typeof takeLock>> | undefined} */
  let lock;
  /** Until then the lock is what remembers those that an earlier run left behind. */
  let hasEndedOrphans = false;

  const recordChildren = () => {
    // Redis is not among them: it may outlive us and is found by other means.
    const children = keepers.filter(({ name }) => name !== 'redis');
    lock?.record(
      children.flatMap(({ name, identity }) => {
        const known = identity();
        return known === undefined ? [] : [{ ...known, name }];
      }),
    );
  };

  /** @param {string} name @param {() => Promise<import('./keeper.mjs').Running>} launch */
  const keep = (name, launch, readyTimeoutMs = 60_000) => {
    signal.throwIfAborted();
    const keeper = createKeeper({ name, launch, say, changed: recordChildren, readyTimeoutMs });
    keepers.push(keeper);
    return keeper.start();
  };

  const startRedis = async () => {
    const binary = await ensureRedisBinary({ searchPath: env.PATH ?? '', say, signal });
    const { isAdopted } = await keep('redis', () => launchRedis(paths, binary, say), redisLoadMs);
    if (isAdopted) say('Redis was still running: using it.');
  };

  /**
   * Beside a Redis of one's own other machines may have nodes: then the name is this host's.
   * @param {number} slot
   */
  const startNode = (slot) => {
    const name = `node-${slot}`;
    const id = hasOwnRedis(paths, env) ? `${env.NODE_ID || hostname()}-${slot}` : name;
    const nodeEnv = { ...env, ...workerSettings(paths, env), NODE_ID: id };
    return keep(name, () =>
      launchChild({ script: programs.worker, env: nodeEnv, log: openLog(paths, name) }),
    );
  };

  const startGateway = () => {
    const registration = env.REGISTRATION || 'open';
    const gatewayEnv = { ...env, ...gatewaySettings(paths, env), REGISTRATION: registration };
    return keep('gateway', () =>
      launchChild({ script: programs.gateway, env: gatewayEnv, log: openLog(paths, 'gateway') }),
    );
  };

  const start = async () => {
    lock = await takeLock(paths.lock);
    keepLogsSmall(paths, say);
    await endOrphans(lock.previous, say);
    hasEndedOrphans = true;
    await checkPort(settings.host, settings.port, 'PORT');
    await checkPort(settings.adminHost, settings.adminPort, 'ADMIN_PORT');
    await ensureInstalled({ say, signal });
    await ensureBuilt({ say, signal });
    initSecrets(paths);
    const isOwn = hasOwnRedis(paths, env);
    if (!isOwn) await startRedis();
    const slots = Array.from({ length: settings.nodes }, (_, index) => index + 1);
    await Promise.all(slots.map(startNode));
    await startGateway();
    signal.throwIfAborted();
    const redis = isOwn ? 'yours' : paths.redis;
    const adminToken = adminTokenPlace(paths, env);
    say(formatBanner({ settings, logs: paths.logs, adminToken, redis }));
  };

  /** @param {Keeper} keeper */
  const stopOne = async (keeper) => {
    const kind = keeper.name.startsWith('node-') ? 'node' : keeper.name;
    const startedAt = performance.now();
    const how = await keeper.stop(stopMs[/** @type {keyof typeof stopMs} */ (kind)]);
    say(`  ${keeper.name} ${how} (${((performance.now() - startedAt) / 1000).toFixed(1)} s)`);
  };

  /** Gateway, then all nodes at once, then Redis. */
  const stop = async () => {
    if (keepers.length > 0) say('Stopping …');
    const of = (/** @type {RegExp} */ name) =>
      Promise.all(keepers.filter((keeper) => name.test(keeper.name)).map(stopOne));
    await of(/^gateway$/);
    await of(/^node-/);
    await of(/^redis$/);
    if (hasEndedOrphans) lock?.release();
  };

  /**
   * Nodes one at a time, then the edges (the gateway replaces them itself). A new node that does not
   * become ready ends the reload: the old one and all that follow stay as they are.
   */
  const reload = createReload(async () => {
    if (signal.aborted) return;
    say('Reloading …');
    if (isOutdated()) say(`  ${outdatedHint}`);
    for (const keeper of keepers.filter(({ name }) => name.startsWith('node-'))) {
      const problem = await keeper.replace(nodeStopMs);
      if (signal.aborted) return;
      if (problem !== undefined) {
        say(
          `  ${keeper.name}: the new one did not start (${problem}); the old one stays. Reload ended.`,
        );
        return;
      }
      say(`  ${keeper.name} replaced`);
    }
    keepers.find(({ name }) => name === 'gateway')?.signal('SIGHUP');
    say('  gateway: replaces its edges one at a time (its log says when it has)');
  });

  const abandon = () => {
    for (const keeper of keepers) keeper.abandon();
  };

  return { start, stop, reload, abandon };
};

/** Runs until a signal; the exit code is 0 after an orderly stop. */
export const main = async () => {
  const stopping = new AbortController();
  // Once it is gone it cannot be asked any more.
  const isAtTerminal = isatty(0);
  let firstSignalAt = 0;
  /** @type {ReturnType<typeof createSystem> | undefined} */
  let system;
  const onSignal = () => {
    if (firstSignalAt === 0) {
      firstSignalAt = performance.now();
      stopping.abort();
    } else if (performance.now() - firstSignalAt >= secondSignalMs) {
      system?.abandon();
      process.exit(130);
    }
  };
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, onSignal);
  // From a terminal it means that the terminal is gone, else that the operator wants a reload.
  let isUp = false;
  const onHangup = () => {
    if (isAtTerminal) onSignal();
    else if (isUp) system?.reload().catch((error) => say(explain(error)));
    else say('Not reloaded: it is being started just now, with what is there.');
  };
  process.on('SIGHUP', onHangup);
  // The terminal may be gone; the system is not.
  process.stdout.on('error', () => {});
  process.stderr.on('error', () => {});

  const stopAsked = new Promise((resolve) => {
    stopping.signal.addEventListener('abort', () => resolve(undefined));
  });
  try {
    system = createSystem(process.env, stopping.signal);
    await Promise.race([system.start(), stopAsked]);
    isUp = true;
    await stopAsked;
    await system.stop();
    process.exit(0);
  } catch (error) {
    await system?.stop();
    console.error(explain(error));
    process.exit(1);
  }
};
