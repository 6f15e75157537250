import t from 'tap';
import { resetProof } from '../../shared/protocol.js';
import { startRedis } from '../../shared/test/redis-server.js';
import { newId, startNode } from './node.js';

const secret = 'secret-of-the-tests';
const right = 'correct horse battery';
const password = 'a quite different one';
const redis = await startRedis(t);
const node = await startNode(t, { redisUrl: redis.url });

type Wish = { u: string; gen: number; password: string; attempt: string };

const bodyOf = ({ u, gen, password: wanted, attempt }: Wish, key = secret) => ({
  u,
  new_password: wanted,
  gen: String(gen),
  proof: resetProof(key, { attemptId: attempt, u, gen, password: wanted }),
});
const reset = (wish: Wish) => node.verdict('/reset', bodyOf(wish), { attempt: wish.attempt });

t.test('a reset that the gateway authorised: one write, and its repeat finds it', async (t) => {
  const u = newId();
  await node.register(u, right);
  const wish = { u, gen: 1, password, attempt: newId() };
  t.match(await reset(wish), { outcome: 'ok', user_id: `u_${u}`, gen: 2 });
  t.match(await reset(wish), { outcome: 'ok', gen: 2 }, 'the same attempt');
  t.match(await node.login(u, right), { outcome: 'denied' });
  t.match(await node.login(u, password), { outcome: 'ok', gen: 2 });
});

t.test('not after the account has changed, not for nobody', async (t) => {
  const u = newId();
  await node.register(u, right);
  const change = { u, current_password: right, new_password: 'chosen meanwhile' };
  await node.verdict('/password', change);
  t.match(await reset({ u, gen: 1, password, attempt: newId() }), { outcome: 'denied' });
  t.match(await node.login(u, 'chosen meanwhile'), { outcome: 'ok' });
  t.match(await reset({ u: newId(), gen: 1, password, attempt: newId() }), { outcome: 'denied' });
});

t.test('eight resets at once, all authorised for the same state: one is written', async (t) => {
  const u = newId();
  await node.register(u, right);
  const answers = await Promise.all(
    Array.from({ length: 8 }, (_, i) =>
      reset({ u, gen: 1, password: `${password} ${i}`, attempt: newId() }).catch(() => undefined),
    ),
  );
  t.equal(answers.filter((verdict) => verdict?.outcome === 'ok').length, 1);
});

t.test('without the proof for exactly this, nothing is done', async (t) => {
  const u = newId();
  await node.register(u, right);
  const attempt = newId();
  const wish = { u, gen: 1, password, attempt };
  const good = bodyOf(wish);
  const cases: Record<string, object> = {
    'another secret': bodyOf(wish, 'another secret'),
    'another attempt': bodyOf({ ...wish, attempt: newId() }),
    'another password': { ...good, new_password: 'something else' },
    'another account': { ...good, u: newId() },
    'another generation': { ...good, gen: '2' },
    'no proof': { ...good, proof: '' },
  };
  for (const [name, body] of Object.entries(cases))
    t.equal((await node.post('/reset', body, { attempt })).status, 401, name);
  t.match(await node.login(u, right), { outcome: 'ok', gen: 1 });
  t.equal((await node.post('/reset', { ...good, gen: '01' }, { attempt })).status, 400);
});

t.test('the rules for new passwords hold', async (t) => {
  const u = newId();
  await node.register(u, right);
  const attempt = newId();
  const short = bodyOf({ u, gen: 1, password: 'short', attempt });
  const answer = await node.post('/reset', short, { attempt });
  t.match(answer, { status: 400, body: { reason: 'password_too_short' } });
});
