/** Sharing identical attempts, and what becomes of the reservation; limits and nodes are stand-ins
 *  with the product's interface, because only the order of calls is the subject here. */
import { EventEmitter } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { AppError } from '../../shared/errors.js';
import type { Ctx } from '../../shared/http.js';
import type { Verdict } from '../../shared/protocol.js';
import { createAttempts, type Work } from '../attempts.js';
import { createFloor } from '../floor.js';

const caller = { address: '', client: undefined, network: undefined };
const newCtx = () => {
  const res = Object.assign(new EventEmitter(), { writableFinished: false });
  return { res, ctx: { res, requestId: 'r', arrivedAt: performance.now() } as unknown as Ctx };
};
const work = (u: string): Work => ({ kind: 'login', u, class: 'login', body: {} });

const overLimit = 'an address over its limit';

const create = (answer: () => Promise<Verdict['outcome']>, suspect = false) => {
  const calls: string[] = [];
  const classes: string[] = [];
  const reservedFor: string[] = [];
  const heldAtSubmit: number[] = [];
  let isFull = false;
  let held = 0;
  let isLost = false;
  let isOver = false;
  const asked: object[] = [];
  const attempts = createAttempts({
    limits: {
      check: (asking) => {
        asked.push(asking);
        if (isOver) throw new AppError('too_many_attempts');
      },
      reserve: async ({ proven, client }) => {
        calls.push('reserve');
        reservedFor.push(proven ?? '');
        await sleep(1);
        if (client === overLimit) throw new AppError('too_many_attempts');
        if (isLost) throw new AppError('store_unavailable');
        return {
          suspect,
          release: async () => void calls.push('release'),
          fail: async () => void calls.push('fail'),
          abandon: async () => void calls.push('abandon'),
        };
      },
    },
    nodes: {
      hold: () => {
        calls.push('hold');
        if (isFull) throw new AppError('overloaded');
        held++;
        return () => void held--;
      },
      submit: async ({ attemptId, signal, class: cls }) => {
        calls.push('submit');
        heldAtSubmit.push(held);
        classes.push(cls);
        signal?.onAbort(() => calls.push('abort'));
        const outcome = await answer();
        return { attempt_id: attemptId, outcome, user_id: 'u', gen: 1, scopes: '' };
      },
    },
  });
  const fill = () => {
    isFull = true;
  };
  const lose = () => {
    isLost = true;
  };
  const exceed = () => {
    isOver = true;
  };
  return {
    attempts,
    asked,
    calls,
    classes,
    reservedFor,
    fill,
    lose,
    exceed,
    held: () => held,
    heldAtSubmit,
  };
};

const settle = async () => {
  await sleep(20);
  return 'ok' as const;
};

t.test('identical logins share one reservation and one forward', async (t) => {
  const { attempts, calls } = create(settle);
  const all = await Promise.all(
    Array.from({ length: 5 }, () => attempts.join(newCtx().ctx, work('a'), caller, 'pw')),
  );
  t.same(calls, ['hold', 'reserve', 'submit']);
  for (const { verdict } of all) t.equal(verdict.outcome, 'ok');
  await Promise.all(all.map(({ release }) => release()));
  t.same(calls.filter((call) => call === 'release').length, 1, 'one of them ends the reservation');
  t.equal(attempts.size(), 0, 'nothing is kept');
});

t.test('one that is nearly out of time is not joined any more', async (t) => {
  const { attempts, calls } = create(settle);
  const first = attempts.join(newCtx().ctx, work('a'), caller, 'pw');
  const { ctx } = newCtx();
  await Promise.all([
    first,
    attempts.join({ ...ctx, arrivedAt: ctx.arrivedAt + 1400 }, work('a'), caller, 'pw'),
    attempts.join({ ...ctx, arrivedAt: ctx.arrivedAt + 1600 }, work('a'), caller, 'pw'),
  ]);
  t.equal(calls.filter((call) => call === 'submit').length, 2);
  t.equal(attempts.size(), 0, 'nothing is kept');
});

t.test('where there is no room left, only what is in flight already is joined', async (t) => {
  const { attempts, calls, fill } = create(settle);
  const join = (u: string, password: string) =>
    attempts.join(newCtx().ctx, work(u), caller, password);
  const first = join('a', 'pw');
  fill();
  const joined = join('a', 'pw');
  await t.rejects(join('a', 'pw2'), { code: 'overloaded' }, 'another password');
  await t.rejects(join('b', 'pw'), { code: 'overloaded' }, 'another account');
  t.equal((await joined).verdict.outcome, 'ok');
  await first;
  t.same(calls.toSorted(), ['fail', 'hold', 'hold', 'hold', 'reserve', 'reserve', 'submit']);
  t.equal(attempts.size(), 0, 'nothing is kept');
});

t.test('who is over a limit takes no place, and joins nothing', async (t) => {
  const { attempts, calls, exceed } = create(settle);
  const join = (password: string) => attempts.join(newCtx().ctx, work('a'), caller, password);
  const first = join('pw');
  exceed();
  const register: Work = { ...work('b'), kind: 'register' };
  for (const password of ['pw', 'pw2'])
    await t.rejects(join(password), { code: 'too_many_attempts' });
  await t.rejects(attempts.run(newCtx().ctx, register, caller), { code: 'too_many_attempts' });
  await first;
  t.same(calls, ['hold', 'reserve', 'submit']);
});

t.test('who asks, with what proof and for what, is told to the limits', async (t) => {
  const { attempts, asked } = create(settle);
  const from = { address: '', client: '01020304', network: '010203' };
  const proven = 'device:one';
  await attempts.join(newCtx().ctx, { ...work('a'), proven }, from, 'pw');
  await attempts.run(newCtx().ctx, { ...work('b'), kind: 'register' }, from);
  const { client, network } = from;
  t.strictSame(asked, [
    { u: 'a', proven, client, network, kind: 'login' },
    { u: 'b', proven: undefined, client, network, kind: 'register' },
  ]);
});

t.test('what is in flight is compared with ten guesses, not with a thousand', async (t) => {
  const { attempts, calls, fill } = create(settle);
  const join = (u: string, password: string) =>
    attempts.join(newCtx().ctx, work(u), caller, password);
  const firsts = [join('a', 'pw'), join('b', 'pw')];
  fill();
  const guess = async (u: string, count: number) => {
    for (let i = 0; i < count; i++) await t.rejects(join(u, `guess ${i}`), { code: 'overloaded' });
  };
  await guess('a', 9);
  await guess('b', 10);
  const tenth = join('a', 'pw');
  await t.rejects(join('b', 'pw'), { code: 'overloaded' }, 'also who has guessed right');
  t.equal((await tenth).verdict.outcome, 'ok');
  await Promise.all(firsts);
  t.equal(calls.filter((call) => call === 'submit').length, 2);
  t.equal(calls.filter((call) => call === 'fail').length, 19, 'each guess counts');
  t.equal(attempts.size(), 0, 'nothing is kept');
});

t.test(
  'a guess that the nodes refuse counts as a failure, an attempt of its own does not',
  async (t) => {
    const { attempts, calls } = create(async () => {
      await sleep(10);
      throw new AppError('overloaded');
    });
    const join = (password: string) => attempts.join(newCtx().ctx, work('a'), caller, password);
    const both = [join('pw'), join('guess')];
    for (const one of await Promise.allSettled(both)) t.equal(one.status, 'rejected');
    t.same(calls.filter((call) => ['fail', 'release'].includes(call)).sort(), ['fail', 'release']);
  },
);

t.test('what a known device is refused beside a guess is none of its own failures', async (t) => {
  const { attempts, calls, reservedFor, fill } = create(async () => {
    await sleep(10);
    throw new AppError('overloaded');
  });
  const join = (password: string, proven?: string) =>
    attempts
      .join(newCtx().ctx, { ...work('a'), ...(proven ? { proven } : {}) }, caller, password)
      .catch(() => {});
  const both = [join('a guess'), join('pw', 'device:one')];
  await Promise.all(both);
  await sleep(5);
  t.same(
    calls.filter((call) => ['fail', 'release'].includes(call)),
    ['release', 'release', 'fail'],
  );
  t.same(reservedFor, ['', 'device:one', ''], 'it counts as a failure of anybody');
  const again = join('a guess');
  fill();
  await join('pw', 'device:one');
  await again;
  t.same(reservedFor.slice(3), ['', '']);
});

t.test('who joins somebody over a limit makes an attempt of their own', async (t) => {
  const { attempts, calls } = create(settle);
  const from = (client: string) => ({ address: '', client, network: 'n' });
  const join = (client: string) => attempts.join(newCtx().ctx, work('a'), from(client), 'pw');
  const first = join(overLimit);
  const others = [join('another'), join('a third')];
  await t.rejects(first, { code: 'too_many_attempts' });
  for (const { verdict } of await Promise.all(others)) t.equal(verdict.outcome, 'ok');
  t.equal(calls.filter((call) => call === 'submit').length, 1, 'one for both');
  t.equal(attempts.size(), 0, 'nothing is kept');
});

t.test('a place is kept while the store is asked, and no longer', async (t) => {
  const { attempts, lose, held, heldAtSubmit } = create(settle);
  const join = () => attempts.join(newCtx().ctx, work('a'), caller, 'pw');
  const change = () => attempts.run(newCtx().ctx, { ...work('b'), kind: 'password' }, caller);
  for (const start of [join, change]) {
    const running = start();
    t.equal(held(), 1);
    await running;
    t.equal(held(), 0);
  }
  t.same(heldAtSubmit, [0, 0], 'submitting takes it anew');
  lose();
  const lost = join();
  t.equal(held(), 1);
  await t.rejects(lost, { code: 'store_unavailable' });
  t.equal(held(), 0);
});

t.test('another password or another account is another attempt', async (t) => {
  const { attempts, calls } = create(settle);
  await Promise.all([
    attempts.join(newCtx().ctx, work('a'), caller, 'pw'),
    attempts.join(newCtx().ctx, work('a'), caller, 'pw2'),
    attempts.join(newCtx().ctx, work('b'), caller, 'pw'),
  ]);
  t.equal(calls.filter((call) => call === 'submit').length, 3);
});

t.test('wrong: the lease becomes a failure before anybody is told', async (t) => {
  const { attempts, calls } = create(async () => 'denied');
  const { verdict, release } = await attempts.join(newCtx().ctx, work('a'), caller, 'pw');
  t.equal(verdict.outcome, 'denied');
  await release();
  t.same(calls, ['hold', 'reserve', 'submit', 'fail']);
});

t.test('refused or lost: the reservation goes, every waiter gets the error', async (t) => {
  const { attempts, calls } = create(async () => {
    await sleep(10);
    throw new AppError('overloaded');
  });
  const all = await Promise.allSettled(
    [1, 2, 3].map(() => attempts.join(newCtx().ctx, work('a'), caller, 'pw')),
  );
  for (const one of all) t.match(one, { status: 'rejected', reason: { code: 'overloaded' } });
  t.same(calls, ['hold', 'reserve', 'submit', 'release']);
});

t.test('the work is dropped when the last waiter has left, not before', async (t) => {
  const { attempts, calls } = create(async () => {
    await sleep(50);
    return 'ok';
  });
  const [first, second] = [newCtx(), newCtx()];
  const running = [first, second].map(({ ctx }) => attempts.join(ctx, work('a'), caller, 'pw'));
  await sleep(5);
  first.res.emit('close');
  t.notOk(calls.includes('abort'));
  second.res.emit('close');
  t.ok(calls.includes('abort'));
  await Promise.all(running);
});

t.test('who leaves early pays with the address, and what is dropped is not joined', async (t) => {
  const { attempts, calls } = create(async () => {
    await sleep(30);
    throw new AppError('timeout');
  });
  const first = newCtx();
  const running = attempts.join(first.ctx, work('a'), caller, 'pw');
  await sleep(5);
  first.res.emit('close');
  const second = attempts.join(newCtx().ctx, work('a'), caller, 'pw');
  await t.rejects(running, { code: 'timeout' });
  await t.rejects(second, { code: 'timeout' });
  t.equal(calls.filter((call) => call === 'submit').length, 2, 'an attempt of its own');
  t.same(calls.filter((call) => ['abandon', 'release'].includes(call)).sort(), [
    'abandon',
    'release',
  ]);
});

t.test(
  'a registration is dropped when its client leaves: nobody needs to hear of it',
  async (t) => {
    const { attempts, calls } = create(settle);
    const { ctx, res } = newCtx();
    const running = attempts.run(ctx, { ...work('a'), kind: 'register' }, caller);
    await sleep(5);
    res.emit('close');
    t.ok(calls.includes('abort'));
    await running;
  },
);

t.test('a registration whose client left before it began is dropped too', async (t) => {
  const { attempts, calls } = create(settle);
  const { ctx, res } = newCtx();
  Object.assign(res, { destroyed: true });
  const registering = attempts.run(ctx, { ...work('a'), kind: 'register' }, caller);
  await t.rejects(registering, { code: 'timeout' });
  t.same(calls, ['hold', 'reserve', 'release'], 'no node is asked');
});

t.test('who leaves before a node has begun pays nothing', async (t) => {
  const early = create(settle);
  const first = newCtx();
  const leaving = early.attempts.join(first.ctx, work('a'), caller, 'pw');
  first.res.emit('close');
  await t.rejects(leaving, { code: 'timeout' });
  t.same(early.calls, ['hold', 'reserve', 'release'], 'while the store was asked');

  const refused = create(async () => {
    await sleep(10);
    throw new AppError('overloaded');
  });
  const second = newCtx();
  const running = refused.attempts.join(second.ctx, work('a'), caller, 'pw');
  await sleep(5);
  second.res.emit('close');
  await t.rejects(running, { code: 'overloaded' });
  t.same(refused.calls.slice(-1), ['release'], 'refused meanwhile');
});

t.test('behind an address that fails often: a suspect, but for a known device', async (t) => {
  const { attempts, classes } = create(settle, true);
  await attempts.join(newCtx().ctx, work('a'), caller, 'pw');
  await attempts.join(newCtx().ctx, { ...work('b'), class: 'device' }, caller, 'pw');
  t.strictSame(classes, ['suspect', 'device']);
});

t.test('a password change goes on when its client leaves', async (t) => {
  const { attempts, calls } = create(settle);
  const { ctx, res } = newCtx();
  const running = attempts.run(ctx, { ...work('a'), kind: 'password' }, caller);
  res.emit('close');
  t.equal((await running).verdict.outcome, 'ok');
  t.notOk(calls.includes('abort'));
});

t.test('the floor: never before it, always at a multiple of it', async (t) => {
  const floor = createFloor(40);
  for (const elapsed of [0, 30, 50]) {
    const { ctx } = newCtx();
    ctx.arrivedAt = performance.now() - elapsed;
    await t.rejects(floor(ctx), { code: 'bad_credentials' });
    const total = performance.now() - ctx.arrivedAt;
    t.ok(total >= Math.ceil((elapsed + 1) / 40) * 40, `${elapsed} → ${total}`);
  }
  await t.rejects(createFloor(0)(newCtx().ctx), { code: 'bad_credentials' }, 'none: at once');
});
