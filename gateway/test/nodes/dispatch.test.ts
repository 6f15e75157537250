import t from 'tap';
import { AppError, codeOf, isAppError } from '../../../shared/errors.js';
import { errorHeaders } from '../../../shared/http-answer.js';
import { createMetrics } from '../../../shared/metrics.js';
import type { Verdict } from '../../../shared/protocol.js';
import type { Job } from '../../nodes/attempt.js';
import { createChoose } from '../../nodes/choose.js';
import { createDispatch } from '../../nodes/dispatch.js';
import { createMeters } from '../../nodes/meters.js';
import type { Failure, Outcome } from '../../nodes/outcome.js';
import { createPool, type Node } from '../../nodes/pool.js';
import { createRank } from '../../nodes/rank.js';
import { createRetryBudget } from '../../nodes/retry.js';

const verdict: Verdict = { attempt_id: 'a', outcome: 'ok', user_id: 'u', gen: 1, scopes: '' };
const good: Outcome = { kind: 'verdict', verdict };
const failure = (label: Failure['label'], error = new AppError('bad_node_answer')): Outcome => ({
  kind: 'error',
  label,
  error,
});
const job = (changes: Partial<Job> = {}): Job => ({
  route: '/login',
  u: 'alice',
  attemptId: 'a',
  class: 'login',
  body: {},
  deadlineAt: 2500,
  requestId: 'r',
  ...changes,
});

/** A dispatch over n nodes whose attempts end as `script` says. */
const setUp = (
  n: number,
  script: (node: Node, times: number) => Outcome | Promise<Outcome>,
  random = () => 0.5,
) => {
  let clock = 0;
  const now = () => clock;
  const rank = createRank('s');
  const pool = createPool({ rank, secret: 's', now });
  const entry = { boot_id: 'b', endpoints: [], slots: 2, version: '', zone: '', draining: false };
  const ids = Array.from({ length: n }, (_, i) => `n${i + 1}`);
  const place = { kind: 'unix', path: '/nowhere' } as const;
  pool.sync(ids.map((id) => ({ entry: { ...entry, id }, place })));
  const budget = createRetryBudget();
  const metrics = createMetrics({ defaults: false });
  const sent: string[] = [];
  const classes: string[] = [];
  let refreshes = 0;
  const dispatch = createDispatch({
    nodes: pool.nodes,
    choose: createChoose<Node>(rank, 'z', () => 0),
    attempt: async (node, { class: cls }) => {
      sent.push(node.id);
      classes.push(cls);
      return script(node, sent.length);
    },
    budget,
    meters: createMeters({ metrics, nodes: pool.nodes, now }),
    refresh: async () => {
      refreshes++;
    },
    now,
    random,
  });
  return {
    ...dispatch,
    pool,
    budget,
    metrics,
    sent,
    classes,
    refreshes: () => refreshes,
    pass: (ms: number) => {
      clock += ms;
    },
  };
};

const code = async (promise: Promise<unknown>): Promise<string> => {
  try {
    await promise;
    return 'ok';
  } catch (error) {
    return codeOf(error);
  }
};

t.test('the verdict of the first attempt, when there is one', async (t) => {
  const { submit, sent } = setUp(3, () => good);
  t.equal(await submit(job()), verdict);
  t.equal(sent.length, 1);
});

t.test('a second attempt goes to another node, and there is no third', async (t) => {
  for (const label of [
    'unreached',
    'refused',
    'died',
    'timeout',
    'broken',
    'stale_boot',
  ] as const) {
    const { submit, sent } = setUp(3, (_, times) => (times === 1 ? failure(label) : good));
    t.equal(await submit(job()), verdict, label);
    t.equal(new Set(sent).size, 2);
    const twice = setUp(5, () => failure(label));
    t.not(await code(twice.submit(job())), 'ok');
    t.equal(twice.sent.length, 2, `${label}, twice`);
  }
});

t.test('what would not help is not repeated', async (t) => {
  for (const label of ['rejected', 'bad_answer', 'unexpected', 'store_lost', 'aborted'] as const) {
    const { submit, sent } = setUp(3, () => failure(label));
    await t.rejects(submit(job()), { code: 'bad_node_answer' });
    t.equal(sent.length, 1, label);
  }
});

t.test('out of reach, and the others full: overloaded, not without nodes', async (t) => {
  const { submit, pool } = setUp(2, (node) => {
    for (const other of pool.nodes()) if (other !== node) other.load.refused(0, 500, 'login');
    return failure('unreached');
  });
  t.equal(await code(submit(job())), 'overloaded');
});

t.test(
  'a node failed, and the others are full: the log has the cause, and nobody was shed',
  async (t) => {
    const lost = new AppError('timeout');
    const { submit, pool, metrics } = setUp(2, (node) => {
      for (const other of pool.nodes()) if (other !== node) other.load.refused(0, 500, 'device');
      return failure('timeout', lost);
    });
    await t.rejects(submit(job()), { code: 'overloaded', cause: lost });
    t.notMatch(await metrics.text(), 'node_shed_total{');
  },
);

t.test('a write whose answer the store lost is looked for once more', async (t) => {
  for (const route of ['/register', '/password'] as const) {
    const { submit, sent, budget } = setUp(3, (_, times) =>
      times === 1 ? failure('store_lost') : good,
    );
    t.equal(await submit(job({ route })), verdict, route);
    t.equal(sent.length, 2);
    t.equal(budget.tokens(), 19);
  }
});

t.test('a write that may have happened is not called unwritten by a second node', async (t) => {
  for (const label of ['died', 'timeout', 'broken', 'store_lost'] as const)
    for (const route of ['/register', '/password', '/reset'] as const) {
      const first = failure(label, new AppError('timeout'));
      const { submit } = setUp(3, (_, times) => (times === 1 ? first : failure('refused')));
      t.equal(await code(submit(job({ route }))), 'timeout', `${route}, ${label}`);
    }
  const died = failure('died');
  const { submit } = setUp(3, (_, times) => (times === 1 ? died : failure('refused')));
  t.equal(await code(submit(job())), 'overloaded', 'a login writes nothing');
});

t.test('repeats that cost work are limited by the bucket, the others are free', async (t) => {
  const { submit, sent, budget, metrics } = setUp(3, () => failure('died'));
  for (let i = 0; i < 100; i++) await code(submit(job()));
  // 20 tokens, and a tenth of one for each request but the first, which finds the bucket full.
  t.equal(sent.length - 100, 29);
  t.match(await metrics.text(), 'node_retries_denied_total{reason="died"} 71');
  t.ok(budget.tokens() < 1);
  for (let i = 0; i < 2; i++) if (budget.tokens() > 0.8) await code(submit(job()));
  t.equal(await code(submit(job())), 'overloaded', 'a login: nothing is lost');
  for (const route of ['/register', '/password', '/reset'] as const) {
    if (budget.tokens() > 0.8) await code(submit(job()));
    t.equal(await code(submit(job({ route }))), 'bad_node_answer', route);
  }
  const free = setUp(3, () => failure('refused'));
  for (let i = 0; i < 100; i++) await code(free.submit(job()));
  t.equal(free.sent.length, 200);
  t.equal(free.budget.tokens(), 20);
});

t.test('the bucket fills by a tenth per request, up to 20', async (t) => {
  const budget = createRetryBudget();
  for (let i = 0; i < 20; i++) t.equal(budget.spend(), true);
  t.equal(budget.spend(), false);
  for (let i = 0; i < 9; i++) budget.earn();
  t.equal(budget.spend(), false);
  budget.earn();
  t.equal(budget.spend(), true);
  for (let i = 0; i < 1000; i++) budget.earn();
  t.equal(budget.tokens(), 20);
});

t.test('after the deadline nothing is sent or repeated', async (t) => {
  const { submit, sent, pass } = setUp(3, () => {
    pass(3000);
    return failure('timeout', new AppError('timeout'));
  });
  t.equal(await code(submit(job())), 'timeout');
  t.equal(sent.length, 1);
  t.equal(await code(submit(job())), 'timeout');
  t.equal(sent.length, 1);
});

t.test('nobody waits any more: nothing is sent or repeated', async (t) => {
  const signal = { aborted: false, onAbort: () => {} };
  const { submit, sent } = setUp(3, () => {
    signal.aborted = true;
    return failure('died');
  });
  await code(submit(job({ signal })));
  await code(submit(job({ signal })));
  t.equal(sent.length, 1);
});

t.test('when no other node has room there is no second attempt', async (t) => {
  for (const label of ['died', 'timeout', 'broken', 'unreached'] as const)
    for (const [route, expected] of [
      ['/login', 'overloaded'],
      ['/register', label === 'unreached' ? 'overloaded' : 'bad_node_answer'],
    ] as const) {
      const { submit, sent, pool } = setUp(2, (node) => {
        for (const other of pool.nodes()) if (other !== node) other.load.refused(0, 500, 'device');
        return failure(label);
      });
      t.equal(await code(submit(job({ route }))), expected, `${route}, ${label}`);
      t.equal(sent.length, 1);
    }
});

t.test('who was let in and lost its node has the chance of a known device', async (t) => {
  for (const [label, cls, expected] of [
    ['died', 'login', ['login', 'device']],
    ['timeout', 'login', ['login', 'device']],
    ['died', 'register', ['register']],
    ['died', 'suspect', ['suspect']],
    ['refused', 'login', ['login']],
  ] as const) {
    const { submit, classes, pool } = setUp(2, (node, times) => {
      for (const other of pool.nodes()) if (other !== node) other.load.refused(0, 500, 'login');
      return times === 1 ? failure(label) : good;
    });
    const found = await code(submit(job({ class: cls })));
    t.equal(found, expected.length === 2 ? 'ok' : 'overloaded', `${cls}, ${label}`);
    t.strictSame(classes, expected);
  }
});

t.test('refused everywhere is overloaded, with a jittered time to come back', async (t) => {
  const { submit } = setUp(2, (node) => {
    node.load.refused(0, 500, 'login');
    return failure('refused');
  });
  await t.rejects(submit(job()), { code: 'overloaded', retryAfterMs: 2000 });
});

t.test(
  'after somebody better was refused, a suspect finds no room for three seconds',
  async (t) => {
    for (const cls of ['device', 'login', 'register'] as const) {
      const { submit, hold, pool, pass } = setUp(1, () => good);
      const suspect = () => code(submit({ ...job(), deadlineAt: 9000, class: 'suspect' }));
      for (const node of pool.nodes()) node.load.refused(0, 500, cls);
      t.throws(() => hold('alice', cls), { code: 'overloaded' });
      pass(500);
      t.equal(await suspect(), cls === 'register' ? 'ok' : 'overloaded', cls);
      t.equal(await code(submit({ ...job(), deadlineAt: 9000 })), 'ok', 'others do');
      pass(2499);
      t.equal(await suspect(), cls === 'register' ? 'ok' : 'overloaded', cls);
      pass(1);
      t.equal(await suspect(), 'ok', cls);
    }
    const { submit, pass } = setUp(1, (_, times) => (times === 1 ? failure('refused') : good));
    t.equal(await code(submit({ ...job(), deadlineAt: 9000 })), 'overloaded', 'by a node');
    t.equal(await code(submit({ ...job(), deadlineAt: 9000, class: 'suspect' })), 'overloaded');
    pass(3000);
    t.equal(await code(submit({ ...job(), deadlineAt: 9000, class: 'suspect' })), 'ok');
  },
);

t.test('to come back after one, two or three seconds, each as often', async (t) => {
  let step = 0;
  const { hold, pool } = setUp(
    1,
    () => good,
    () => (step++ % 300) / 300,
  );
  for (const node of pool.nodes()) node.load.refused(0, 500, 'login');
  const waits = new Map<unknown, number>();
  for (let i = 0; i < 300; i++)
    try {
      hold('alice', 'login');
    } catch (error) {
      const wait = isAppError(error) ? errorHeaders(error)['retry-after'] : undefined;
      waits.set(wait, (waits.get(wait) ?? 0) + 1);
    }
  t.same([...waits].sort(), [
    ['1', 100],
    ['2', 100],
    ['3', 100],
  ]);
});

t.test('all full: refused before anything is sent, until it is over', async (t) => {
  const { submit, hold, sent, pool, pass } = setUp(2, () => good);
  hold('alice', 'login');
  for (const node of pool.nodes()) node.load.refused(0, 500, 'login');
  t.throws(() => hold('alice', 'login'), { code: 'overloaded', retryAfterMs: 2000 });
  t.equal(await code(submit(job())), 'overloaded');
  t.equal(sent.length, 0);
  pass(500);
  hold('alice', 'login');
});

t.test(
  'who comes while others have places and are not sent yet does not count on the same ones',
  async (t) => {
    const { hold, submit, sent, pool } = setUp(2, () => good);
    const places: (() => void)[] = [];
    const fill = () => {
      for (;;) places.push(hold('alice', 'login'));
    };
    t.throws(fill, { code: 'overloaded' });
    t.ok(places.length > 2 * 2, 'as many as may wait');
    t.same(sent, []);
    for (const { load } of pool.nodes()) t.equal(load.isFull(0, 'login'), true);
    places.pop()?.();
    hold('bob', 'login')();
    for (const letGo of places) letGo();
    for (const { load } of pool.nodes()) t.equal(load.view(0), 0);
    await submit(job());
  },
);

t.test('who is turned away is remembered with the nodes that were full', async (t) => {
  const { hold, pool } = setUp(2, () => good);
  for (const node of pool.nodes()) node.load.refused(0, 500, 'login');
  t.throws(() => hold('alice', 'login'), { code: 'overloaded' });
  t.same(
    pool.nodes().map(({ load }) => load.isCrowded(100)),
    [true, true],
  );
});

t.test('without nodes: no_node', async (t) => {
  const { submit, hold } = setUp(0, () => good);
  t.throws(() => hold('alice', 'login'), { code: 'no_node' });
  t.equal(await code(submit(job())), 'no_node');
});

t.test('another boot at the address: the membership is read before the next try', async (t) => {
  const { submit, refreshes } = setUp(2, (_, n) => (n === 1 ? failure('stale_boot') : good));
  await submit(job());
  t.equal(refreshes(), 1);
});

t.test('an account has at most two attempts in flight', async (t) => {
  const waiting: ((outcome: Outcome) => void)[] = [];
  const { submit, hold } = setUp(3, () => new Promise((resolve) => waiting.push(resolve)));
  const running = [submit(job()), submit(job())];
  t.throws(() => hold('alice', 'login'), { code: 'too_many_attempts', retryAfterMs: 1000 });
  t.equal(await code(submit(job())), 'too_many_attempts');
  hold('bob', 'login');
  for (const finish of waiting) finish(good);
  await Promise.all(running);
  hold('alice', 'login');
});

t.test('an attempt that fails gives its place back', async (t) => {
  const { submit } = setUp(1, () => failure('bad_answer'));
  for (let i = 0; i < 5; i++) {
    const error = await submit(job()).catch((e: unknown) => e);
    t.equal(isAppError(error) && error.code, 'bad_node_answer');
  }
});
