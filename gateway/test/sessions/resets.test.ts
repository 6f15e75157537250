import t from 'tap';
import { startRedis } from '../../../shared/test/redis-server.js';
import { createResets } from '../../sessions/resets.js';
import { openClient } from '../store.js';
import { newU, setUser } from './session-parts.js';

const setup = async (t: Parameters<typeof openClient>[0]) => {
  const redis = await openClient(t, await startRedis(t));
  const u = newU();
  await setUser(redis, u, 3);
  return { redis, u, resets: createResets({ redis }) };
};

t.test('a token: 256 bits, 30 minutes, and nothing in the store to use', async (t) => {
  const { redis, u, resets } = await setup(t);
  const token = (await resets.issue(u)) ?? '';
  t.match(token, /^[\w-]{22}\.[\w-]{43}$/);
  t.notMatch(JSON.stringify(await redis.hgetall(`reset:{${u}}`)), token.split('.')[1] ?? '');
  const ttl = await redis.pttl(`reset:{${u}}`);
  t.ok(ttl > 1_790_000 && ttl <= 1_800_000);
  t.equal(await resets.issue(newU()), undefined, 'no such account');
});

t.test('one password per token; the same request again is the same attempt', async (t) => {
  const { resets, u } = await setup(t);
  const token = (await resets.issue(u)) ?? '';
  const first = await resets.claim(token, 'one password');
  t.match(first, { u, gen: 3, done: undefined, attemptId: /^[\w-]{22}$/ });
  t.strictSame(await resets.claim(token, 'one password'), first);
  t.equal(await resets.claim(token, 'another password'), undefined);
  await resets.finish(token, 4);
  t.match(await resets.claim(token, 'one password'), { done: 4 });
  t.equal(await resets.claim(token, 'another password'), undefined);
});

t.test('what was certainly not used can be used, what is void cannot', async (t) => {
  const { redis, resets, u } = await setup(t);
  const token = (await resets.issue(u)) ?? '';
  await resets.claim(token, 'too common');
  await resets.reopen(token);
  t.match(await resets.claim(token, 'a better one'), { gen: 3 });
  await resets.discard(token);
  t.equal(await resets.claim(token, 'a better one'), undefined);
  await resets.finish(token, 9);
  t.equal(await redis.exists(`reset:{${u}}`), 0, 'nothing comes back without an end');
});

t.test('a token whose first try was written after all is not opened by a later one', async (t) => {
  const { redis, resets, u } = await setup(t);
  const token = (await resets.issue(u)) ?? '';
  await resets.claim(token, 'one password');
  await setUser(redis, u, 4);
  await resets.reopen(token);
  t.equal(await resets.claim(token, 'another password'), undefined);
  t.match(await resets.claim(token, 'one password'), { gen: 3 }, 'its own repeat');
});

t.test(
  'a token is for the account as it was at the issue; a repeat is not a first use',
  async (t) => {
    const { redis, resets, u } = await setup(t);
    const old = (await resets.issue(u)) ?? '';
    await setUser(redis, u, 4);
    t.equal(
      await resets.claim(old, 'a password'),
      undefined,
      'all that was issued has ended since',
    );
    await setUser(redis, u, 3);
    const first = await resets.claim(old, 'a password');
    await setUser(redis, u, 4);
    t.strictSame(
      await resets.claim(old, 'a password'),
      first,
      'its own repeat, after its own change',
    );
    const fresh = (await resets.issue(u)) ?? '';
    t.match(await resets.claim(fresh, 'a password'), { gen: 4 });
  },
);

t.test('a new token voids the old, and what the old one still does changes nothing', async (t) => {
  const { resets, u } = await setup(t);
  const old = (await resets.issue(u)) ?? '';
  await resets.claim(old, 'a password');
  const fresh = (await resets.issue(u)) ?? '';
  for (const settle of [resets.finish(old, 5), resets.reopen(old), resets.discard(old)])
    await settle;
  t.equal(await resets.claim(old, 'a password'), undefined);
  t.match(await resets.claim(fresh, 'a password'), { done: undefined });
});

t.test('50 uses at once with 50 passwords: one is let through', async (t) => {
  const { resets, u } = await setup(t);
  const token = (await resets.issue(u)) ?? '';
  const claims = await Promise.all(
    Array.from({ length: 50 }, (_, i) => resets.claim(token, `password number ${i}`)),
  );
  t.equal(claims.filter((claim) => claim !== undefined).length, 1);
});

t.test('garbage', async (t) => {
  const { resets, u } = await setup(t);
  await resets.issue(u);
  for (const token of ['', u, `${u}.`, `${u}.${'x'.repeat(43)}`, `${u}.${'x'.repeat(1e5)}`, '}{*'])
    t.equal(await resets.claim(token, 'a password'), undefined);
});
