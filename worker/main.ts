/** Entry of a worker node: settings, then the node, then word to the parent that it serves. */
import { createLifecycle } from '../shared/lifecycle.js';
import { createLog } from '../shared/log.js';
import { loadConfig, maskConfig } from './config.js';
import { yieldToOthers } from './machine.js';
import { startWorker } from './server.js';

const run = async () => {
  const config = loadConfig(process.env, process.pid);
  if (process.argv.includes('--check-config')) {
    process.stdout.write(`${JSON.stringify(maskConfig(config), null, 2)}\n`);
    return;
  }
  process.title = `floodgate worker ${config.nodeId}`;
  yieldToOthers();
  const log = createLog({ level: config.logLevel, role: 'worker' }).child({ node: config.nodeId });
  const lifecycle = createLifecycle({ log, role: 'child' });
  const { slots } = await startWorker({ config, lifecycle, log });
  log.info({ threads: slots }, 'node serves');
  lifecycle.ready();
};

try {
  await run();
} catch (error) {
  const text = error instanceof Error ? error.message : 'unknown error';
  process.stderr.write(`floodgate worker: cannot start: ${text}\n`);
  process.exit(1);
}
