import t from 'tap';
import { startRedis } from '../../shared/test/redis-server.js';
import { loadNameKey } from '../name-key.js';
import { openClient, outcomeOf } from './store.js';

t.test('all processes end up with one name key, which lives with the data', async (t) => {
  const server = await startRedis(t);
  const clients = await Promise.all([1, 2, 3, 4].map(() => openClient(t, server)));
  const keys = await Promise.all(clients.map((redis) => loadNameKey({ redis })));
  t.equal(keys[0]?.length, 32);
  t.equal(new Set(keys.map((key) => key.toString('hex'))).size, 1);

  const [redis] = clients;
  if (redis === undefined) return;
  const epoch = await redis.get('meta:epoch');
  t.match(epoch, /^[\w-]{22}$/);
  t.strictSame(await loadNameKey({ redis }), keys[0]);
  t.equal(await redis.get('meta:epoch'), epoch);
  t.equal(await redis.ttl('meta:name-key'), -1);

  await redis.set('meta:name-key', 'not a key');
  await t.rejects(loadNameKey({ redis }), /damaged/);
  await server.stop();
  t.equal(await outcomeOf(() => loadNameKey({ redis })), 'store_unavailable');
});
