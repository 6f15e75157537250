import t from 'tap';
import { createClock } from '../clock.js';
import {
  createBackoff,
  createBudget,
  type Failure,
  mayRepeat,
  readRetryAfter,
  type rules,
} from '../retry.js';
import { renewalTime } from '../token-source.js';

const answer = (status: number, code = 'x'): Failure => ({ how: 'answer', status, code });

t.test('what may be repeated, and how often', async (t) => {
  const table: [Failure, Record<keyof typeof rules, number>][] = [
    [{ how: 'not_sent' }, { idempotent: 2, refresh: 2, login: 2, change: 2, write: 2 }],
    [{ how: 'lost' }, { idempotent: 2, refresh: 2, login: 1, change: 0, write: 0 }],
    [{ how: 'timeout' }, { idempotent: 2, refresh: 2, login: 0, change: 0, write: 0 }],
    [
      answer(429, 'too_many_attempts'),
      { idempotent: 2, refresh: 2, login: 2, change: 2, write: 2 },
    ],
    [answer(503, 'overloaded'), { idempotent: 2, refresh: 2, login: 2, change: 2, write: 2 }],
    [answer(503, 'no_node'), { idempotent: 2, refresh: 2, login: 2, change: 2, write: 2 }],
    [
      answer(503, 'store_unavailable'),
      { idempotent: 2, refresh: 2, login: 2, change: 2, write: 0 },
    ],
    [answer(503, 'status_503'), { idempotent: 2, refresh: 2, login: 2, change: 2, write: 0 }],
    [answer(502), { idempotent: 2, refresh: 2, login: 1, change: 0, write: 0 }],
    [answer(504, 'timeout'), { idempotent: 2, refresh: 2, login: 0, change: 0, write: 0 }],
    [answer(500, 'internal'), { idempotent: 0, refresh: 0, login: 0, change: 0, write: 0 }],
    [answer(401, 'bad_credentials'), { idempotent: 0, refresh: 0, login: 0, change: 0, write: 0 }],
  ];
  for (const [failure, expected] of table)
    for (const rule of ['idempotent', 'refresh', 'login', 'change', 'write'] as const) {
      const allowed = [0, 1].filter((tries) => mayRepeat(rule, failure, tries)).length;
      t.equal(allowed, expected[rule], `${JSON.stringify(failure)} ${rule}`);
    }
});

t.test('a pause is never shorter than asked for, and full jitter comes on top', async (t) => {
  const lowest = createBackoff({ random: () => 0 });
  const highest = createBackoff({ random: () => 1, baseMs: 100, capMs: 1000 });
  t.equal(lowest(0), 0);
  t.equal(lowest(5, 3000), 3000);
  t.strictSame(
    [0, 1, 2, 3, 4, 9].map((tries) => highest(tries)),
    [100, 200, 400, 800, 1000, 1000],
  );
  t.equal(highest(0, 3000), 3100);
});

t.test('Retry-After: seconds, dates, nonsense', async (t) => {
  const now = Date.parse('2030-01-01T00:00:00Z');
  const read = (value: string | null, date?: string) =>
    readRetryAfter(value, { now, ...(date === undefined ? {} : { date }) });
  t.equal(read('120'), 120_000);
  t.equal(read('0'), 0);
  t.equal(read('Tue, 01 Jan 2030 00:00:30 GMT'), 30_000);
  t.equal(read('Mon, 31 Dec 2029 23:59:00 GMT'), 0, 'past');
  t.equal(
    read('Wed, 02 Jan 2030 00:00:05 GMT', 'Wed, 02 Jan 2030 00:00:00 GMT'),
    5000,
    "the server's own clock counts",
  );
  for (const value of [null, '', 'soon', 'in 5', '-5', '1.5', '1e999'])
    t.equal(read(value), undefined, `${value}`);
});

t.test('repeats are a tenth of the calls, and no patience earns more', async (t) => {
  for (const [calls, initial] of [
    [100, 0],
    [1000, 0],
    [1000, 3],
    [7, 3],
  ] as const) {
    const budget = createBudget({ initial });
    let spent = 0;
    for (let i = 0; i < calls; i++) {
      budget.earn();
      while (budget.spend()) spent++;
    }
    t.equal(spent, Math.floor(calls * 0.1 + 1e-6) + initial, `${calls} calls`);
  }
  const quiet = createBudget();
  for (let i = 0; i < 10_000; i++) quiet.earn();
  let spent = 0;
  while (quiet.spend()) spent++;
  t.equal(spent, 10);
});

t.test('a token is renewed before it expires, however short its life', async (t) => {
  for (const lifeMs of [100, 1000, 10_000, 59_000, 300_000, 600_000, 86_400_000])
    for (const chance of [0, 0.3, 0.999]) {
      const at = renewalTime(1000, 1000 + lifeMs, () => chance);
      t.ok(at > 1000 && at < 1000 + lifeMs, `${lifeMs} ${chance}`);
    }
  t.equal(
    renewalTime(0, 600_000, () => 0),
    540_000,
  );
  t.equal(
    renewalTime(0, 600_000, () => 1),
    510_000,
  );
});

t.test('the clock follows whichever of its two moves ahead, and never goes back', async (t) => {
  let wall = 1_000_000;
  let steady = 50;
  const clock = createClock(
    () => wall,
    () => steady,
  );
  t.equal(clock(), 1_000_000);
  steady += 1000;
  wall += 1000;
  t.equal(clock(), 1_001_000);
  wall -= 500_000; // set back
  steady += 1000;
  t.equal(clock(), 1_002_000);
  wall += 500_000 + 1000 + 3_600_000; // a laptop slept for an hour
  t.equal(clock(), 1_002_000 + 3_600_000);
  steady += 10;
  t.equal(clock(), 1_002_010 + 3_600_000);
});
