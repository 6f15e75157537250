/**
 * A node as an application of pm2, which by itself can only end a process and then start another. This
 * one stays and keeps the node: on SIGHUP a new node starts beside the old one, which goes when the new
 * one serves and stays when it does not. All nodes of a machine get the signal at once and take turns.
 */
import { join } from 'node:path';
import { launchChild, nodeStopMs, programs } from './children.mjs';
import { isOutdated, outdatedHint } from './install.mjs';
import { createKeeper } from './keeper.mjs';
import { takeLock, waitForLock } from './lock.mjs';
import { endOrphans } from './orphans.mjs';
import { preparePaths } from './paths.mjs';
import { runApp, say } from './pm2-app.mjs';
import { sayShort } from './refusal.mjs';
import { createReload } from './reload.mjs';

const { NODE_APP_INSTANCE: instance = '0', NODE_ID: host } = process.env;
const name = `node-${instance}`;
/** All instances have one environment, each is a node of its own; the default has the instance in it. */
const env = host ? { ...process.env, NODE_ID: `${host}-${instance}` } : process.env;

await runApp(async ({ stopping, stopAsked }) => {
  const paths = preparePaths(process.env);
  const turn = join(paths.dataDir, 'reload.lock');
  const lock = await takeLock(join(paths.dataDir, `${name}.lock`));
  await endOrphans(lock.previous, say);
  const launch = () => launchChild({ script: programs.worker, env });
  const record = () => {
    const identity = keeper.identity();
    lock.record(identity === undefined ? [] : [{ ...identity, name }]);
  };
  const keeper = createKeeper({ name, launch, say, changed: record });

  const reload = createReload(async () => {
    const held = await waitForLock(turn, stopping);
    try {
      if (isOutdated()) say(`${name}: ${outdatedHint}`);
      const problem = await keeper.replace(nodeStopMs);
      if (stopping.aborted) return;
      say(
        problem === undefined
          ? `${name} replaced`
          : `${name}: the new one did not start (${problem}); the old one stays.`,
      );
    } finally {
      held?.release();
    }
  });

  // The node that is starting may have read the old settings: it is replaced once it serves.
  let isUp = false;
  let isReloadAsked = false;
  const onHangup = () => {
    isReloadAsked = true;
    if (isUp) reload().catch((error) => say(`${name}: ${sayShort(error)}`));
  };
  process.on('SIGHUP', onHangup);
  try {
    await Promise.race([keeper.start(), stopAsked]);
    isUp = true;
    if (!stopping.aborted) process.send?.('ready');
    if (isReloadAsked) onHangup();
    await stopAsked;
  } finally {
    say(`${name} ${await keeper.stop(nodeStopMs)}`);
    lock.release();
  }
});
