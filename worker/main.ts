/** Entry of a worker node: settings, then the node, then word to the parent that it serves. */
import { lowerHelperThreads } from '../shared/helper-threads.js';
import { loadConfig, maskConfig } from './config.js';
import { yieldToOthers } from './nice.js';

/** While it starts, a node must not take processors from those that serve. */
const niceAtStart = 19;
const niceWhenServing = 10;
/** The launcher kills a node after 12 s, and the README tells other supervisors 15. */
const stopMs = 10_000;

const run = async () => {
  const config = loadConfig(process.env, process.pid);
  if (process.argv.includes('--check-config')) {
    process.stdout.write(`${JSON.stringify(maskConfig(config), null, 2)}\n`);
    return;
  }
  process.title = `floodgate worker ${config.nodeId}`;
  lowerHelperThreads();
  yieldToOthers(niceAtStart);
  // Loaded only now: most of a start is this.
  const { createLifecycle } = await import('../shared/lifecycle.js');
  const { createLog } = await import('../shared/log.js');
  const { startWorker } = await import('./server.js');
  const { startWatchdog } = await import('./watchdog.js');
  const log = createLog({ level: config.logLevel, role: 'worker' }).child({ node: config.nodeId });
  const lifecycle = createLifecycle({ log, role: 'child', stopMs });
  const { slots } = await startWorker({ config, lifecycle, log });
  void startWatchdog({ log });
  log.info({ threads: slots }, 'node serves');
  yieldToOthers(niceWhenServing);
  lifecycle.ready();
};

try {
  await run();
} catch (error) {
  const text = error instanceof Error ? error.message : 'unknown error';
  process.stderr.write(`floodgate worker: cannot start: ${text}\n`);
  process.exit(1);
}
