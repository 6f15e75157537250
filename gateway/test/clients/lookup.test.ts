/** What an edge remembers of clients, and for how long. */
import t from 'tap';
import { AppError } from '../../../shared/errors.js';
import { startRedis } from '../../../shared/test/redis-server.js';
import { createLookup } from '../../clients/lookup.js';
import { createClientRegistry } from '../../clients/registry.js';
import { openClient, outcomeOf } from '../store.js';

const wanted = {
  name: 'x',
  auth: 'client_secret_basic',
  grants: [],
  scopes: 'read',
  audience: '',
  introspect: 'own',
  jwks: [],
} as const;

t.test('one look into the store every 3 s, and shared', async (t) => {
  const redis = await openClient(t, await startRedis(t));
  const registry = createClientRegistry({ redis });
  const { client } = await registry.create(wanted);
  let looks = 0;
  let isLost = false;
  let now = 0;
  const find = async (id: string) => {
    looks++;
    if (isLost) throw new AppError('store_unavailable');
    return registry.find(id);
  };
  const lookup = createLookup({ find, now: () => now });
  await Promise.all(Array.from({ length: 20 }, () => lookup(client.id)));
  t.equal(looks, 1);
  t.match(await lookup(client.id), { id: client.id, scopes: 'read', audience: undefined });
  await registry.update(client.id, (record) => ({ ...record, scopes: 'write' }));
  now = 2999;
  isLost = true;
  t.match(await lookup(client.id), { scopes: 'read' }, 'a lost store is not felt');
  now = 3000;
  t.equal(await outcomeOf(() => lookup(client.id)), 'store_unavailable', 'until it is too old');
  isLost = false;
  t.match(await lookup(client.id), { scopes: 'write' });
  await registry.remove(client.id);
  now = 6000;
  t.equal(await lookup(client.id), undefined);
});

t.test('of two changes at a time none is lost', async (t) => {
  const redis = await openClient(t, await startRedis(t));
  const registry = createClientRegistry({ redis });
  const { client, secret } = await registry.create(wanted);
  t.match(secret, /^[\w-]{43}$/);
  await Promise.all(
    Array.from({ length: 20 }, () =>
      registry.update(client.id, (record) => ({ ...record, gen: record.gen + 1 })),
    ),
  );
  t.equal((await registry.find(client.id))?.gen, 21);
  for (let i = 0; i < 3; i++) await registry.addSecret(client.id);
  t.equal((await registry.find(client.id))?.secrets.length, 2);
  t.equal((await registry.dropOldSecrets(client.id)).secrets.length, 1);
  t.notMatch(await redis.hget('clients', client.id), new RegExp(String(secret)));
  t.equal(await outcomeOf(() => registry.addSecret(`c_${'x'.repeat(22)}`)), 'not_found');
});
