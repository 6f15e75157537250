/** A backup store that cannot be one is refused at the start. */
import { once } from 'node:events';
import { createServer } from 'node:net';
import t from 'tap';
import { createLog } from '../../../shared/log.js';
import { startRedis } from '../../../shared/test/redis-server.js';
import { openBackup } from '../../sessions/open-backup.js';
import { openClient } from '../store.js';

t.test('a backup store that is too old is refused with its version', async (t) => {
  const old = createServer((socket) => {
    const info = 'redis_version:6.2.14\r\nrole:master\r\nloading:0\r\n';
    socket.on('error', () => {});
    socket.on('data', (data) => {
      for (const [, name] of data.toString().matchAll(/^\*\d+\r\n\$\d+\r\n(\w+)/gm))
        socket.write(name?.toLowerCase() === 'info' ? `$${info.length}\r\n${info}\r\n` : '+OK\r\n');
    });
  }).listen(0, '127.0.0.1');
  await once(old, 'listening');
  const address = old.address();
  const port = typeof address === 'object' ? address?.port : 0;
  const stops: (() => unknown)[] = [];
  t.teardown(async () => {
    for (const stop of stops) await stop();
    old.close();
  });
  const redis = await openClient(t, await startRedis(t));
  const config = {
    backupRedisUrl: `redis://127.0.0.1:${port}`,
    sessionMaxMs: 60_000,
    acceptDataLoss: true,
  };
  const lifecycle = { onStop: (_: string, run: () => unknown) => void stops.push(run) };
  const log = createLog({ level: 'silent', role: 'test' });
  await t.rejects(openBackup({ config, redis, lifecycle, log }), {
    message: 'BACKUP_REDIS_URL leads to Redis 6.2.14: 7.0 or newer is needed, or Valkey',
  });
});
