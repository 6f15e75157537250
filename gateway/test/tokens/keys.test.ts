import { randomBytes } from 'node:crypto';
import { calculateJwkThumbprint } from 'jose';
import t from 'tap';
import { startRedis } from '../../../shared/test/redis-server.js';
import { signingAlgs } from '../../tokens/algorithms.js';
import { describeMacs } from '../../tokens/describe-keys.js';
import { loadKeys } from '../../tokens/keys.js';
import { makeRing } from '../../tokens/ring.js';
import { createRingStore } from '../../tokens/ring-store.js';
import { createSeal } from '../../tokens/seal.js';
import { openClient, outcomeOf } from '../store.js';

t.test('edges that start together share the keyring of the first', async (t) => {
  const server = await startRedis(t);
  const kek = randomBytes(32);
  const clients = await Promise.all(Array.from({ length: 6 }, () => openClient(t, server)));
  const rings = await Promise.all(clients.map((redis) => loadKeys({ redis, kek })));
  t.equal(new Set(rings.map((ring) => ring.signing.kid)).size, 1);
  t.equal(new Set(rings.map((ring) => JSON.stringify(ring.mac('refresh', 'x')))).size, 1);

  const text = await clients[0]?.get('keyring');
  t.match(text, /^v1\.[\w-]+\.[\w-]+\.[\w-]+$/);
  const body = Buffer.from(text?.split('.')[2] ?? '', 'base64url').toString('latin1');
  t.ok(body.length > 300);
  t.notMatch(body, /signing|refresh|OKP/);
  t.equal(await clients[0]?.ttl('keyring'), -1);
});

t.test('keys of a first ring, which had no times, are since ever', async (t) => {
  const redis = await openClient(t, await startRedis(t));
  const keks: [Buffer] = [randomBytes(32)];
  const { refresh, device, ...ring } = await makeRing('EdDSA', Date.now);
  const [old, oldDevice] = [refresh, device].map((keys) =>
    keys.map(({ id, key }) => ({ id, key })),
  );
  const text = JSON.stringify({ ...ring, refresh: old, device: oldDevice });
  await redis.set('keyring', createSeal(keks).seal(text));
  const stored = await createRingStore({ redis, keks }).read();
  const shown = stored && describeMacs(stored.ring, Date.now());
  const since = new Date(0).toISOString();
  t.match(shown, [
    { purpose: 'refresh', state: 'signing', created_at: since, signs_from: since },
    { purpose: 'device', state: 'signing', created_at: since, signs_from: since },
  ]);
});

t.test('a wrong key encryption key refuses to start and says so', async (t) => {
  const redis = await openClient(t, await startRedis(t));
  const kek = randomBytes(32);
  await loadKeys({ redis, kek });
  const stored = await redis.get('keyring');
  await t.rejects(loadKeys({ redis, kek: randomBytes(32) }), /KEY_ENCRYPTION_KEY/);
  t.equal(await redis.get('keyring'), stored, 'and changes nothing');

  const [version, iv, body = '', tag] = (stored ?? '').split('.');
  const flipped = `${body.startsWith('A') ? 'B' : 'A'}${body.slice(1)}`;
  await redis.set('keyring', [version, iv, flipped, tag].join('.'));
  await t.rejects(loadKeys({ redis, kek }), /KEY_ENCRYPTION_KEY/);
  await redis.set('keyring', 'v9.a.b.c');
  await t.rejects(loadKeys({ redis, kek }), /format/);
});

t.test('key ids are thumbprints; only public parts are shown', async (t) => {
  const redis = await openClient(t, await startRedis(t));
  const kek = randomBytes(32);
  let nowMs = 1e12;
  const now = () => nowMs;
  const first = await loadKeys({ redis, kek, now });
  for (const alg of signingAlgs) {
    const ring = await loadKeys({ redis, kek, alg, now });
    nowMs += 6 * 60_000;
    t.equal(ring.signing.alg, alg);
    t.equal((await loadKeys({ redis, kek, alg, now })).signing.kid, ring.signing.kid, 'kept');
  }
  t.equal((await loadKeys({ redis, kek, now })).signing.kid, first.signing.kid);
  t.equal(first.verifying.size, 1);
  await first.reload();
  t.equal(first.verifying.size, 3, 'an edge learns of keys that others added');

  const { keys } = JSON.parse(JSON.stringify(first.jwks()));
  t.strictSame(keys.map((key: { alg: string }) => key.alg).sort(), [...signingAlgs].sort());
  for (const jwk of keys) {
    t.equal(jwk.kid, await calculateJwkThumbprint(jwk));
    t.equal(jwk.use, 'sig');
    for (const secret of ['d', 'p', 'q', 'dp', 'dq', 'qi']) t.notOk(secret in jwk);
  }
});

t.test('MACs are bound to purpose, key, text and one spelling', async (t) => {
  const server = await startRedis(t);
  const redis = await openClient(t, server);
  const keys = await loadKeys({ redis, kek: randomBytes(32) });
  const { keyId, mac } = keys.mac('refresh', 'text');
  t.match(keyId, /^[\w-]{4}$/);
  t.match(mac, /^[\w-]{43}$/);
  t.ok(keys.checkMac('refresh', keyId, 'text', mac));
  t.notOk(keys.checkMac('device', keyId, 'text', mac));
  t.notOk(keys.checkMac('device', keys.mac('device', 'text').keyId, 'text', mac));
  t.notOk(keys.checkMac('refresh', 'none', 'text', mac));
  t.notOk(keys.checkMac('refresh', keyId, 'texu', mac));
  for (const other of ['', `${mac}=`, mac.slice(1), `${mac}A`, ` ${mac}`, mac.replace(/^./, 'é')])
    t.notOk(keys.checkMac('refresh', keyId, 'text', other));
  // The last of 43 characters carries two unused bits: three other spellings of the same bytes.
  const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
  const twins = [...letters].filter((letter) => {
    const twin = mac.slice(0, -1) + letter;
    return keys.checkMac('refresh', keyId, 'text', twin);
  });
  t.equal(twins.length, 1);

  await server.stop();
  t.ok(keys.checkMac('refresh', keyId, 'text', mac), 'needs no store');
  t.equal(await outcomeOf(() => keys.reload()), 'store_unavailable');
});
