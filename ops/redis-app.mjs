/**
 * The embedded Redis as an application of pm2: the same one that `npm start` uses, in the foreground.
 * pm2 stops all its applications at once, so on a signal this one waits until the others have let go
 * of their connections (not for ever: it may be the only one that is stopped), then ends Redis.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { createKeeper } from './keeper.mjs';
import { takeLock } from './lock.mjs';
import { keepLogsSmall } from './logs.mjs';
import { endOrphans } from './orphans.mjs';
import { preparePaths } from './paths.mjs';
import { runApp, say } from './pm2-app.mjs';
import { callOwnRedis, launchRedis } from './redis.mjs';
import { ensureRedisBinary } from './redis-binary.mjs';
import { initSecrets } from './secrets.mjs';

/** @typedef {import('./paths.mjs').Paths} Paths */

const letGoMs = 15_000;
const stuckMs = 5000;
const stopMs = 30_000;

/** @param {Paths} paths */
const countClients = async (paths) => {
  const info = await callOwnRedis(paths, ['INFO', 'clients']);
  return Number(/^connected_clients:(\d+)/m.exec(info ?? '')?.[1] ?? 1) - 1; // without ourselves
};

/**
 * Others are leaving while their number falls; when it stands still, they stay.
 * @param {Paths} paths
 */
const waitClientsGone = async (paths) => {
  const end = performance.now() + letGoMs;
  let fewest = Number.POSITIVE_INFINITY;
  let fellAt = performance.now();
  while (performance.now() < end) {
    const count = await countClients(paths);
    if (count <= 0) return;
    if (count < fewest) fellAt = performance.now();
    fewest = Math.min(fewest, count);
    if (performance.now() - fellAt > stuckMs) return;
    await sleep(100);
  }
};

await runApp(async ({ stopping, stopAsked }) => {
  const paths = preparePaths(process.env);
  const lock = await takeLock(paths.lock);
  await endOrphans(lock.previous, say);
  keepLogsSmall(paths, say);
  initSecrets(paths);
  const searchPath = process.env.PATH ?? '';
  const binary = await ensureRedisBinary({ searchPath, say, signal: stopping });
  const launch = () => launchRedis(paths, binary, say);
  const keeper = createKeeper({ name: 'redis', launch, say, readyTimeoutMs: 600_000 });
  try {
    // One that loads a large file is told to stop, too.
    const started = await Promise.race([keeper.start(), stopAsked]);
    if (started === undefined) return;
    say(started.isAdopted ? 'Redis was still running: using it.' : 'Redis is up.');
    process.send?.('ready');
    await stopAsked;
    await waitClientsGone(paths);
  } finally {
    say(`redis ${await keeper.stop(stopMs)}`);
    lock.release();
  }
});
