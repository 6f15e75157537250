/**
 * A node as an application of pm2, which by itself can only end a process and then start another. This
 * one stays and keeps the node: on SIGHUP a new node starts beside the old one, which goes when the new
 * one serves and stays when it does not. All nodes of a machine get the signal at once and take turns.
 */
import { join } from 'node:path';
import { launchChild, nodeStopMs, programs } from './children.mjs';
import { createKeeper } from './keeper.mjs';
import { takeLock, waitForLock } from './lock.mjs';
import { endOrphans } from './orphans.mjs';
import { preparePaths } from './paths.mjs';
import { runApp, say } from './pm2-app.mjs';
import { createReload } from './reload.mjs';

const paths = preparePaths(process.env);
const name = `node-${process.env.NODE_APP_INSTANCE ?? 0}`;
const turn = join(paths.dataDir, 'reload.lock');

await runApp(async ({ stopping, stopAsked }) => {
  const lock = await takeLock(join(paths.dataDir, `${name}.lock`));
  await endOrphans(lock.previous, say);
  const launch = () => launchChild({ script: programs.worker, env: process.env });
  const record = () => {
    const identity = keeper.identity();
    lock.record(identity === undefined ? [] : [{ ...identity, name }]);
  };
  const keeper = createKeeper({ name, launch, say, changed: record });

  const reload = createReload(async () => {
    const held = await waitForLock(turn, stopping);
    try {
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

  let isUp = false; // before, it starts with what is there
  process.on('SIGHUP', () => {
    if (isUp) reload().catch((error) => say(`${name}: ${error.message}`));
  });
  try {
    await Promise.race([keeper.start(), stopAsked]);
    isUp = true;
    if (!stopping.aborted) process.send?.('ready');
    await stopAsked;
  } finally {
    say(`${name} ${await keeper.stop(nodeStopMs)}`);
    lock.release();
  }
});
