/** What open-loop benches conclude from samples, metrics and logs: each verdict can be other than good. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { recoveryOf } from '../open/failover-recovery.js';
import type { Sample } from '../open/generator.js';
import { attemptsPerRequest, growth, readMetrics } from '../open/metrics.js';
import { mostFailures } from '../open/opening.js';
import { groupsOf, isFailed, isPutOff } from '../open/people.js';
import { loadBackAt, recoveredAt, recoveryAfter } from '../open/recovery.js';
import { balance } from '../open/sessions.js';
import { readProof } from '../open/verdicts.js';

const sample = (at: number, changes: Partial<Sample> = {}): Sample => ({
  ...{ at, ms: 20, status: 200, code: '', group: 'all', tries: 0, person: 0 },
  ...changes,
});
const refused = { status: 503, code: 'overloaded' };

t.test(
  'recovered is when three good seconds begin, not when the first good one does',
  async (t) => {
    const given = { fromMs: 1000, untilMs: 10_000, baselineMs: 20 };
    const good = Array.from({ length: 900 }, (_, i) => sample(1000 + i * 10));
    t.equal(recoveredAt(good, given), 1000);
    const slow = (at: number, count: number) =>
      Array.from({ length: count }, (_, i) => sample(at + i, { ms: 26 }));
    t.equal(
      recoveredAt([...good, ...slow(3950, 3)], given),
      4000,
      'it was good before, not for long',
    );
    t.equal(
      recoveredAt([...good, ...slow(4050, 3)], given),
      1000,
      'what comes later has another cause',
    );
    t.equal(recoveredAt([...good, ...slow(3050, 1)], given), 1000, 'one in a hundred');
    t.equal(recoveredAt([...good, sample(3050, refused), sample(3051, refused)], given), 3100);
    const none = good.map((one) => (one.at < 4000 ? { ...one, ...refused } : one));
    t.equal(recoveredAt(none, given), 4000, 'nobody is served');
    const short = { ...given, untilMs: 6900 };
    t.equal(recoveredAt(none, short), Number.POSITIVE_INFINITY, 'not for three seconds');
    t.equal(loadBackAt(good, { ...given, perSecond: 84 }), 1000, 'a fifth more is as before');
    t.equal(loadBackAt([...good, ...slow(1050, 9)], { ...given, perSecond: 84 }), 1100);
  },
);

t.test(
  'a load that stays after the burst, and what never gets well, are no recovery',
  async (t) => {
    const given = { fromMs: 1000, untilMs: 10_000, baselineMs: 20, perSecond: 100 };
    const good = Array.from({ length: 900 }, (_, i) => sample(1000 + i * 10));
    t.strictSame(recoveryAfter(good, given), { loadBackMs: 0, recoveryMs: 0 });
    const never = Number.POSITIVE_INFINITY;
    const refusing = good.flatMap((one) =>
      Array.from({ length: 3 }, () => ({ ...one, ...refused })),
    );
    t.strictSame(recoveryAfter(refusing, given), { loadBackMs: never, recoveryMs: never });
    const unwell = good.map((one) => ({ ...one, ms: 26 }));
    t.strictSame(recoveryAfter(unwell, given), { loadBackMs: 0, recoveryMs: never });
    const late = good.map((one) => (one.at < 4000 ? { ...one, ms: 26 } : one));
    t.strictSame(recoveryAfter(late, given), { loadBackMs: 0, recoveryMs: 3000 });
  },
);

t.test('faults of a kind are one fault, watched until the next thing happens', async (t) => {
  const marks = [1000, 7000].flatMap((at) => [
    { at, label: 'kill -9' },
    { at: at + 4000, label: 'start' },
  ]);
  const good = Array.from({ length: 1300 }, (_, i) => sample(i * 10));
  const slow = (from: number, to: number) =>
    good.map((one) => (one.at >= from && one.at < to ? { ...one, ms: 31 } : one));
  const after = (samples: Sample[]) => recoveryOf({ samples, marks }).ms;
  t.strictSame(recoveryOf({ samples: good, marks }), { ms: 0, faults: 2, perSecond: 200 });
  t.equal(after(slow(1000, 1500)), 500);
  t.equal(after(slow(7000, 7500)), 500, 'the second as well as the first');
  t.equal(after(slow(5500, 6000)), 0, 'what the start does is not counted');
  t.equal(after(slow(1500, 1520)), 0, 'one in a hundred of both');
  t.equal(after(slow(1000, 5000)), Number.POSITIVE_INFINITY);
  const wrong = good.map((one) => ({ ...one, group: 'wrong', ms: 500 }));
  t.equal(after([...good, ...wrong]), 0, 'wrong passwords are held back on purpose');
});

const textOf = (rows: readonly (readonly [labels: string, value: number])[]) => ({
  admin: async () => ({
    ...{ status: 200, tried: 1 },
    text: rows.map(([labels, value]) => `floodgate_${labels} ${value}`).join('\n'),
  }),
});

t.test('failures are those of the edge that had most, attempts count second ones', async (t) => {
  const forwards = (edge: string, outcome: string) =>
    `node_forwards_total{node="n1",outcome="${outcome}",edge="${edge}"}`;
  const retries = 'node_retries_total{reason="died",edge="1"}';
  const before = await readMetrics(textOf([[forwards('1', 'died'), 2]]));
  const after = await readMetrics(
    textOf([
      [forwards('1', 'died'), 3],
      [forwards('1', 'verdict'), 90],
      [forwards('2', 'died'), 7],
      [forwards('2', 'timeout'), 2],
      [retries, 10],
      ['node_forwards_total{edge="admin"}', 0],
    ]),
  );
  t.strictSame(after.edges, ['1', '2']);
  t.equal(mostFailures(before, after, 'n1'), 9);
  t.equal(attemptsPerRequest(growth(before, after)), 100 / 90);
});

t.test('an answer is one session of its account, and there is no other', async (t) => {
  const accounts = new Map([
    ['r1', 'a'],
    ['r2', 'a'],
    ['r3', 'b'],
  ]);
  const answers = ['r1', 'r2', 'r3'].map((id) => sample(0, { id }));
  const before = new Map([['a', 5]]);
  const of = (a: number, b: number) =>
    balance(answers, accounts, { before, after: new Map(Object.entries({ a, b })) });
  t.strictSame(of(7, 1), { answers: 3, missing: 0, extra: 0, unaudited: 0 });
  t.strictSame(of(6, 1), { answers: 3, missing: 1, extra: 0, unaudited: 0 });
  t.strictSame(of(7, 3), { answers: 3, missing: 0, extra: 2, unaudited: 0 });
  const counts = { before, after: new Map([['a', 5]]) };
  t.strictSame(balance([sample(0, { id: 'r9' })], accounts, counts).unaudited, 1);
});

t.test('an attempt that was executed twice must have one result', async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'fg-proof-'));
  t.teardown(() => rmSync(dir, { recursive: true }));
  const verdict = (attempt_id: string, outcome: string) => ({
    msg: 'verdict',
    attempt_id,
    outcome,
  });
  const audit = { audit: 'login', outcome: 'ok', request_id: 'r1', account: 'a' };
  const write = (name: string, lines: readonly object[]) =>
    writeFileSync(join(dir, name), lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
  write('n1.log', [verdict('1', 'ok'), verdict('2', 'denied'), verdict('3', 'ok')]);
  write('n2.log', [verdict('2', 'denied'), verdict('3', 'exists')]);
  write('gateway.log', [audit, audit]);
  const { accounts, ...found } = readProof(dir);
  t.strictSame(found, {
    ...{ attempts: 3, repeated: 2, contradicted: 1 },
    ...{ audited: 2, auditedTwice: 1, errors: [] },
  });
  t.equal(accounts.get('r1'), 'a');
});

t.test('each kind of people has an answer of its own that is right', async (t) => {
  const users = { names: ['a', 'b'], password: 'x', hash: '' };
  const groups = groupsOf(users);
  t.strictSame(Object.keys(groups), ['all', 'wrong', 'new'], 'the first is what saturates');
  t.notOk(isFailed(sample(0)));
  t.ok(isFailed(sample(0, { group: 'wrong' })), 'a wrong password that lets in');
  t.notOk(isFailed(sample(0, { group: 'wrong', status: 401 })));
  t.ok(isFailed(sample(0, { group: 'new', status: 409, code: 'account_exists' })));
  const putOff = sample(0, { group: 'new', ...refused });
  t.ok(isPutOff(putOff) && !isFailed(putOff));
  t.ok(isFailed(sample(0, refused)));
});
