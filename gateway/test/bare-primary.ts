/**
 * A primary over children that only say that they live: `node bare-primary.ts EDGES [stuck]`. Prints its log
 * lines, and before them the process ids of its children. With `stuck` those that take a lost one's place never
 * become ready, and have a second.
 */
import cluster from 'node:cluster';
import { createLifecycle } from '../../shared/lifecycle.js';
import { loadConfig } from '../config.js';
import { startPrimary } from '../primary.js';

const print = (line: object) => process.stdout.write(`${JSON.stringify(line)}\n`);

const isStuck = process.argv[3] === 'stuck';

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
  const more = isStuck ? { giveUpMs: 1000 } : {};
  startPrimary({ config, program, lifecycle, log, ...more });
  print({ pids: Object.values(cluster.workers ?? {}).map((worker) => worker?.process.pid) });
} else {
  process.on('message', (message) => {
    if (message === 'drain') process.exit();
    // The primary may have gone.
    process.send?.({ t: 'pong', connections: 0 }, () => {});
  });
  process.on('disconnect', () => process.exit());
  if (!isStuck || process.env.FLOODGATE_REPLACES !== 'lost') process.send?.('ready');
}
