/**
 * Entry of the gateway: the same file runs as primary, edge and admin child. Each parses the
 * settings anew, so a rolling reload picks up changed `*_FILE` secrets.
 */
import cluster from 'node:cluster';
import { fileURLToPath } from 'node:url';
import { describeError } from '../shared/describe-error.js';
import { lowerHelperThreads } from '../shared/helper-threads.js';
import { createLifecycle } from '../shared/lifecycle.js';
import { loadConfig, maskConfig } from './config.js';
import { drainMs } from './ipc.js';

/** Lines as pino writes them, which this process does without. */
const levels = { info: 30, error: 50 } as const;
const asText = (name: string, value: unknown) => (name === 'err' ? describeError(value) : value);

const say = (level: number) => (fields: object, text: string) => {
  const line = { level, time: new Date().toISOString(), role: 'primary', pid: process.pid };
  process.stdout.write(`${JSON.stringify({ ...line, ...fields, msg: text }, asText)}\n`);
};

const runPrimary = async () => {
  const config = loadConfig(process.env);
  if (process.argv.includes('--check-config')) {
    process.stdout.write(`${JSON.stringify(maskConfig(config), null, 2)}\n`);
    return;
  }
  process.title = 'floodgate gateway';
  const { startPrimary } = await import('./primary.js');
  const log = { info: say(levels.info), error: say(levels.error) };
  startPrimary({
    config,
    program: fileURLToPath(import.meta.url),
    lifecycle: createLifecycle({ log, role: 'top', stopMs: drainMs(config.stopDelayMs) + 2000 }),
    log,
  });
};

const runChild = async (role: string) => {
  const config = loadConfig(process.env);
  process.title = `floodgate ${role}`;
  lowerHelperThreads();
  const { createLog } = await import('../shared/log.js');
  const log = createLog({ level: config.logLevel, role });
  const lifecycle = createLifecycle({
    log,
    role: 'child',
    stopMs: drainMs(config.stopDelayMs) - 1000,
  });
  const start =
    role === 'admin'
      ? (await import('./admin/server.js')).startAdmin
      : (await import('./server.js')).startEdge;
  const replacesLost = process.env.FLOODGATE_REPLACES === 'lost';
  await start({ config, lifecycle, log, replacesLost });
};

const explain = (error: unknown): string => (error instanceof Error ? error.message : 'unknown');

// Until something was read there is nothing to reload; the signal must not end us.
if (cluster.isPrimary) process.on('SIGHUP', () => {});
try {
  if (cluster.isPrimary) await runPrimary();
  else await runChild(process.env.FLOODGATE_ROLE ?? 'edge');
} catch (error) {
  if (cluster.isPrimary) process.stderr.write(`floodgate: cannot start: ${explain(error)}\n`);
  else process.send?.({ t: 'failed', text: explain(error) });
  // Lets the message leave; nothing else keeps a child that failed to start alive.
  setTimeout(() => process.exit(1), 50);
}
