import t from 'tap';
import { startRedis } from '../../../shared/test/redis-server.js';
import { createClaims } from '../../import/claims.js';
import { newU } from '../sessions/session-parts.js';
import { openClient } from '../store.js';

t.test('one account per id: also of two at once, and after an import that ended', async (t) => {
  const redis = await openClient(t, await startRedis(t));
  const { claim, giveBack, end } = createClaims({ redis });
  const [a, b] = [newU(), newU()];
  const both = [
    { id: 'ext-1', u: a },
    { id: 'ext-1', u: b },
    { id: 'ext-2', u: b },
  ];
  t.strictSame(await claim(both, false), ['new', 'new', 'new'], 'looked up only');
  t.strictSame(await claim(both, true), ['new', 'taken', 'new']);
  t.equal(await redis.get('uid:ext-1'), a);
  t.strictSame(await claim(both, true), ['own', 'taken', 'own'], 'again');
  t.strictSame(await claim([{ id: 'ext-1', u: b }], true), ['taken'], 'of a batch under way');
  end(both);

  await redis.hset(`user:{${a}}`, 'user_id', 'ext-1');
  t.strictSame(await claim([{ id: 'ext-1', u: b }], true), ['taken'], 'its account is there');
  t.strictSame(await claim([{ id: 'ext-2', u: a }], true), ['new'], 'of an account that is not');
  await giveBack([{ id: 'ext-2', u: b }]);
  t.equal(await redis.get('uid:ext-2'), a, 'only its own is given back');
  await giveBack([{ id: 'ext-2', u: a }]);
  t.equal(await redis.get('uid:ext-2'), null);
});
