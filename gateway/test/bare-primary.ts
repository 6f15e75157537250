/**
 * A primary over children that only say that they live: `node bare-primary.ts EDGES`. Prints its log lines, and
 * before them the process ids of its children.
 */
import cluster from 'node:cluster';
import { createLifecycle } from '../../shared/lifecycle.js';
import { loadConfig } from '../config.js';
import { startPrimary } from '../primary.js';

const print = (line: object) => process.stdout.write(`${JSON.stringify(line)}\n`);

if (cluster.isPrimary) {
  const log = {
    info: (fields: object, text: string) => void print({ ...fields, text }),
    error: (fields: object, text: string) => void print({ ...fields, text }),
  };
  const env = {
    ADMIN_TOKEN: 'a'.repeat(32),
    REDIS_URL: 'redis://localhost',
    NODE_SECRET: 'b'.repeat(32),
    KEY_ENCRYPTION_KEY: Buffer.alloc(32).toString('base64url'),
  };
  const config = { ...loadConfig(env), edges: Number(process.argv[2]), stopDelayMs: 0 };
  const program = process.argv[1] ?? '';
  const lifecycle = createLifecycle({ log, role: 'top', stopMs: 2000 });
  startPrimary({ config, program, lifecycle, log });
  print({ pids: Object.values(cluster.workers ?? {}).map((worker) => worker?.process.pid) });
} else {
  process.on('message', (message) => {
    if (message === 'drain') process.exit();
    // The primary may have gone.
    process.send?.({ t: 'pong', connections: 0 }, () => {});
  });
  process.on('disconnect', () => process.exit());
  process.send?.('ready');
}
