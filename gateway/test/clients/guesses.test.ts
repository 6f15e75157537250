/** Guesses at tokens against a real Redis: counted per client, over all edges. */
import t from 'tap';
import { startRedis } from '../../../shared/test/redis-server.js';
import { createGuesses } from '../../clients/guesses.js';
import { openClient, outcomeOf } from '../store.js';

t.test('a client has so many a minute, at all edges together', async (t) => {
  const server = await startRedis(t);
  const edges = [await openClient(t, server), await openClient(t, server)];
  const perMinute = 20;
  const [one, two] = edges.map((redis) => createGuesses({ redis, perMinute }));
  const outcomes = await Promise.all(
    Array.from({ length: 50 }, (_, i) => outcomeOf(() => (i % 2 === 0 ? one : two)?.('c_1'))),
  );
  t.equal(outcomes.filter((code) => code === 'ok').length, perMinute);
  t.equal(outcomes.filter((code) => code === 'too_many_attempts').length, 50 - perMinute);
  t.equal(await outcomeOf(() => one?.('c_2')), 'ok', 'others are others');
  const [key = ''] = (await edges[0]?.keys('lim:*')) ?? [];
  t.ok(((await edges[0]?.pttl(key)) ?? 0) > 0, 'and forgotten');
  await server.stop('SIGKILL');
  t.equal(await outcomeOf(() => two?.('c_2')), 'store_unavailable');
});
