/** Rotation over a real Redis: several edges with one ring, each with a clock that the test moves. */
import { randomBytes } from 'node:crypto';
import t from 'tap';
import { connectRedis } from '../../../shared/redis.js';
import { startRedis, type TestRedis } from '../../../shared/test/redis-server.js';
import { loadKeys, type SigningAlg } from '../../tokens/keys.js';
import { createPublish, createRevocations } from '../../tokens/revocations.js';
import { createKeyDesk, followKeys } from '../../tokens/rotation.js';
import { createSign } from '../../tokens/sign.js';
import { createVerify } from '../../tokens/verify.js';
import { newU, openSession, sessionsOn, setUser } from '../sessions/session-parts.js';
import { openClient, outcomeOf, quiet, until } from '../store.js';
import { audience, grant, issuer } from './fake-keys.js';

type Test = Parameters<typeof openClient>[0];
type Keys = Awaited<ReturnType<typeof loadKeys>>;

const minute = 60_000;
const day = 24 * 60 * minute;
const intervalMs = 30 * day;
const keepMs = { refresh: 30 * day, device: 180 * day };

/** A shared clock, a shared key, and edges of them. */
const openRing = async (t: Test) => {
  const server = await startRedis(t);
  const kek = randomBytes(32);
  const clock = { now: Date.now() };
  const open = async (more: { alg?: SigningAlg; kek?: Buffer; previousKek?: Buffer } = {}) => {
    const redis = await openClient(t, server);
    return loadKeys({ redis, kek, intervalMs, now: () => clock.now, ...more });
  };
  return { server, kek, clock, open };
};

const kidsOf = (keys: Keys) => [...keys.verifying.keys()];
const jwksOf = (keys: Keys): string[] =>
  JSON.parse(JSON.stringify(keys.jwks())).keys.map(({ kid }: { kid: string }) => kid);

t.test('of many edges that find a key old exactly one makes the next', async (t) => {
  const { clock, open } = await openRing(t);
  const edges = await Promise.all(Array.from({ length: 8 }, () => open()));
  for (let round = 0; round < 5; round++) {
    const before = edges[0]?.signing.kid;
    clock.now += intervalMs;
    const made = await Promise.all(edges.map((edge) => edge.renew()));
    t.equal(made.filter(Boolean).length, 1);
    await Promise.all(edges.map((edge) => edge.renew()));
    t.equal(new Set(edges.map((edge) => edge.serial())).size, 1, 'all have the same ring');
    t.ok(
      edges.every((edge) => edge.signing.kid === before),
      'the old key still signs',
    );
    clock.now += 6 * minute;
    t.equal(new Set(edges.map((edge) => edge.signing.kid)).size, 1);
    t.not(edges[0]?.signing.kid, before);
  }
});

t.test('published before its first signature, kept after its last token', async (t) => {
  const { clock, open } = await openRing(t);
  const [one, two] = [await open(), await open()];
  const [old = ''] = kidsOf(one);
  clock.now += intervalMs;
  t.equal(await one.renew(), true);
  t.equal(await one.rotate(), false, 'one that waits is the next one');
  await two.renew();
  const [next = ''] = kidsOf(two).filter((kid) => kid !== old);
  t.strictSame(jwksOf(two).sort(), [old, next].sort());
  clock.now += 6 * minute - 1;
  t.equal(two.signing.kid, old);
  clock.now += 1;
  t.equal(two.signing.kid, next, 'by the clock, without asking anybody');
  clock.now += 17 * minute;
  await two.renew();
  t.ok(two.verifying.has(old));
  clock.now += 1;
  await two.renew();
  await one.reload();
  t.strictSame(jwksOf(one), [next]);
  t.strictSame(
    one.list().map(({ kid, state }) => [kid, state]),
    [[next, 'signing']],
  );
});

t.test('another algorithm in the settings is a rotation', async (t) => {
  const { clock, open } = await openRing(t);
  const before = await open();
  const after = await open({ alg: 'ES256' });
  await before.renew();
  t.equal(before.verifying.size, 2);
  t.equal(after.signing.kid, before.signing.kid, 'nobody knows the new key yet');
  clock.now += 6 * minute;
  t.equal(after.signing.alg, 'ES256');
  t.equal(before.signing.alg, 'EdDSA', 'a gateway with the old settings keeps to its own');
  clock.now += intervalMs + 18 * minute;
  t.equal(await after.renew(), true);
  clock.now += 6 * minute;
  await after.renew();
  t.ok([...after.verifying.values()].every(({ alg }) => alg === 'ES256'));
});

t.test('KEY_ENCRYPTION_KEY changes by current,previous', async (t) => {
  const { kek, open } = await openRing(t);
  const first = await open();
  const next = randomBytes(32);
  const both = await open({ kek: next, previousKek: kek });
  t.strictSame(kidsOf(both), kidsOf(first));
  t.equal(await both.renew(), false);
  t.equal(both.serial(), 2, 'sealed anew');
  await both.renew();
  t.equal(both.serial(), 2, 'once');
  t.strictSame(kidsOf(await open({ kek: next })), kidsOf(first));
  await t.rejects(open(), /KEY_ENCRYPTION_KEY/);
  t.equal(await outcomeOf(() => first.reload()), 'store_unavailable', 'and keeps what it has');
  t.equal(first.verifying.size, 1);
});

t.test('a store that lost the ring, or went back to an older one, gets it again', async (t) => {
  const { server, open } = await openRing(t);
  const edge = await open();
  const redis = await openClient(t, server);
  const stale = (await redis.get('keyring')) ?? '';
  await edge.rotate();
  await redis.set('keyring', stale);
  await edge.reload();
  t.equal(edge.verifying.size, 2, 'a replica from before the change takes nothing back');
  t.equal((await open()).verifying.size, 2);
  await redis.flushall();
  await edge.reload();
  t.strictSame(kidsOf(await open()).sort(), kidsOf(edge).sort());
});

/** An edge as server.ts makes it: keys, log, follower, signer and verifier. */
const openEdge = async (t: Test, server: TestRedis, keys: Keys) => {
  const redis = await openClient(t, server);
  const { url } = server;
  const connect = () => connectRedis({ url, name: 'log', log: quiet, blocking: true });
  const revocations = createRevocations({ redis, connect, log: quiet });
  t.teardown(revocations.close);
  const following = followKeys({ keys, revocations, log: quiet });
  t.teardown(following.close);
  await revocations.ready();
  const sign = createSign({ keys, issuer, audience, ttlSeconds: 600 });
  const { verify } = createVerify({ keys, issuer, audience, revocations });
  return {
    keys,
    sign: () => sign(grant).token,
    check: (token: string) => outcomeOf(() => verify(token)),
  };
};

t.test(
  'revoking a key ends what it signed on every edge; its successor is known first',
  async (t) => {
    const server = await startRedis(t);
    const kek = randomBytes(32);
    const open = async () => loadKeys({ redis: await openClient(t, server), kek });
    const edges = [
      await openEdge(t, server, await open()),
      await openEdge(t, server, await open()),
      await openEdge(t, server, await open()),
    ];
    const everywhere = (token: string) => Promise.all(edges.map((edge) => edge.check(token)));
    const redis = await openClient(t, server);
    const desk = createKeyDesk({ keys: await open(), publish: createPublish({ redis }), keepMs });
    const [stolen = ''] = (await desk.list()).keys.map(({ kid }) => kid);
    const cached = edges[0]?.sign() ?? '';
    t.strictSame(await everywhere(cached), ['ok', 'ok', 'ok']);

    t.equal(await outcomeOf(() => desk.revoke('x'.repeat(43))), 'not_found');
    let isDone = false;
    const revoked = desk.revoke(stolen).then(() => {
      isDone = true;
    });
    // Whatever an edge signs while the key goes: it was good everywhere, or its key has been revoked.
    while (!isDone)
      for (const edge of edges) {
        const isOld = edge.keys.signing.kid === stolen;
        const outcomes = new Set(await everywhere(edge.sign()));
        if (!isOld) t.strictSame([...outcomes], ['ok'], 'a token of the new key is good at once');
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    await revoked;
    t.ok(
      await until(async () => (await everywhere(cached)).every((each) => each === 'session_ended')),
    );
    t.ok(await until(() => edges.every(({ keys }) => !keys.verifying.has(stolen))));
    for (const edge of edges) t.strictSame(await everywhere(edge.sign()), ['ok', 'ok', 'ok']);
    t.notOk(jwksOf(edges[1]?.keys ?? (await open())).includes(stolen));
    t.equal(await outcomeOf(() => desk.revoke(stolen)), 'not_found', 'it is gone');
  },
);

t.test('a key that another gateway made is known everywhere at once', async (t) => {
  const server = await startRedis(t);
  const kek = randomBytes(32);
  const open = async () => loadKeys({ redis: await openClient(t, server), kek });
  const edge = await openEdge(t, server, await open());
  const redis = await openClient(t, server);
  const desk = createKeyDesk({ keys: await open(), publish: createPublish({ redis }), keepMs });
  await desk.rotate();
  t.ok(await until(() => edge.keys.verifying.size === 2, 1000), 'long before the next poll');
  await desk.rotate();
  t.equal((await desk.list()).keys.length, 2, 'a repeat makes no second one');
  t.strictSame(
    (await desk.list()).keys.map(({ state }) => state),
    ['next', 'signing'],
  );
});

t.test(
  'keys of refresh and device tokens: known before they sign, gone after the last use',
  async (t) => {
    const { clock, open } = await openRing(t);
    const start = new Date(clock.now).toISOString();
    const [one, two] = [await open(), await open()];
    for (const purpose of ['refresh', 'device'] as const) {
      const old = one.mac(purpose, 'x');
      const isGood = (edge: Keys, { keyId, mac }: typeof old) =>
        edge.checkMac(purpose, keyId, 'x', mac);
      t.equal(await one.rotateMac(purpose, 30 * day), true);
      t.equal(await two.rotateMac(purpose, 30 * day), false, 'a repeat makes no second one');
      t.strictSame(one.mac(purpose, 'x'), old, 'the old key signs on');
      const states = () => one.listMacs().filter((mac) => mac.purpose === purpose);
      t.match(states(), [
        { state: 'next', until: null },
        { state: 'signing', created_at: start, signs_from: start },
      ]);
      clock.now += minute;
      t.match(states(), [{ state: 'signing' }, { state: 'retired' }]);
      const next = one.mac(purpose, 'x');
      t.not(next.keyId, old.keyId);
      t.strictSame(two.mac(purpose, 'x'), next);
      for (const edge of [one, two])
        t.strictSame([isGood(edge, old), isGood(edge, next)], [true, true]);

      // The last session of the old key began just before the new one signed.
      clock.now += 30 * day;
      await one.renew();
      t.ok(isGood(one, old));
      clock.now += 2 * minute;
      await one.renew();
      await two.renew();
      for (const edge of [one, two])
        t.strictSame([isGood(edge, old), isGood(edge, next)], [false, true]);
      t.equal(one.serial(), two.serial());
    }
  },
);

t.test(
  'a refresh token under a key of others: read again, unknown only after a reading',
  async (t) => {
    const { server, clock, open } = await openRing(t);
    const [one, two] = [await open(), await open()];
    const redis = await openClient(t, server);
    const u = newU();
    await setUser(redis, u, 1);
    const edgeOf = (keys: Keys) =>
      sessionsOn(redis, {
        refreshMac: (text) => keys.mac('refresh', text),
        confirmRefreshMac: (...given) => keys.confirmMac('refresh', ...given),
      });
    const [edge, stale] = [edgeOf(one), edgeOf(two)];
    const withNewKey = async () => {
      await one.rotateMac('refresh', day);
      clock.now += minute;
      return (await openSession(edge, u)).refreshToken;
    };
    const use = (token: string) => outcomeOf(() => stale.rotate(token, 'c_1'));

    t.equal(await use(await withNewKey()), 'ok');
    const unheard = await withNewKey();
    await redis.rename('keyring', 'away');
    await redis.lpush('keyring', 'what is no keyring');
    t.equal(await use(unheard), 'store_unavailable', 'we cannot know, so it is not the token');
    t.equal(await outcomeOf(() => stale.read(unheard)), 'store_unavailable', 'nor to be revoked');
    await redis.rename('away', 'keyring');
    t.equal(await use(unheard), 'store_unavailable', 'a second shares one reading');
    clock.now += 1000;
    t.equal(await use(unheard), 'ok');

    const gets = async () =>
      Number(/cmdstat_get:calls=(\d+)/.exec(await redis.info('commandstats'))?.[1]);
    const before = await gets();
    clock.now += 1000;
    const made = (i: number) => unheard.replace(/\.[\w-]+(\.[\w-]+)$/, `.made${i}$1`);
    const codes = await Promise.all(Array.from({ length: 200 }, (_, i) => use(made(i))));
    t.strictSame([...new Set(codes)], ['token_invalid']);
    t.equal((await gets()) - before, 1);
  },
);

t.test(
  'of many who rotate one key at once exactly one makes it, beside a new signing key',
  async (t) => {
    const { clock, open } = await openRing(t);
    const edges = await Promise.all(Array.from({ length: 6 }, () => open()));
    clock.now += intervalMs;
    const made = await Promise.all(
      edges.flatMap((edge) => [edge.rotateMac('refresh', day), edge.renew()]),
    );
    t.equal(made.filter(Boolean).length, 2);
    await Promise.all(edges.map((edge) => edge.renew()));
    for (const edge of edges) t.strictSame(edge.listMacs(), edges[0]?.listMacs());
    t.equal(edges[0]?.listMacs().length, 3);
    t.equal(edges[0]?.list().length, 2);
  },
);
