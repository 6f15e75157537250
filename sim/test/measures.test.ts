/** What is read from runs, on runs made by hand: each figure can be other than good. */
import t from 'tap';
import { newEdgeCounts, newNodeCounts } from '../counts.js';
import { findHeld, findNews, knownAsMissed } from '../known.js';
import { disorderedShare, lateShare, recoveryMs, servedShare } from '../measures.js';
import type { Login, Run } from '../world.js';

const login = (atMs: number, changes: Partial<Login> = {}): Login => ({
  ...{ atMs, tookMs: 20, outcome: 'ok', cls: 'login', isHot: false, nth: 0 },
  ...changes,
});
const runOf = (logins: Login[], unasked = 0): Run => ({
  ...{ logins, samples: [], capacity: 100 },
  counts: { ...newEdgeCounts(), ...newNodeCounts(), unasked, busyMs: [] },
});

t.test('late is who was let in and got no answer, or whose hash nobody waited for', async (t) => {
  const logins = [login(0), login(1), login(2), login(3, { outcome: 'timeout' })];
  t.equal(lateShare([runOf([...logins, login(4, { outcome: 'overloaded' })])]), 0.25);
  t.equal(lateShare([runOf(logins, 1)]), 0.5);
  t.equal(lateShare([runOf([login(0)])]), 0);
});

t.test('order is judged second by second', async (t) => {
  const refused = (atMs: number) => login(atMs, { cls: 'device', outcome: 'overloaded' });
  const suspect = (atMs: number) => login(atMs, { cls: 'suspect' });
  const wanted = { refused: 'device', served: 'suspect' } as const;
  t.equal(disorderedShare([runOf([refused(100), suspect(900)])], wanted), 1);
  t.equal(disorderedShare([runOf([refused(900), suspect(1100)])], wanted), 0);
  const devices = runOf([refused(0), login(1, { cls: 'device' }), suspect(2)]);
  t.equal(
    servedShare([devices], ({ cls }) => cls === 'device'),
    0.5,
  );
});

t.test('recovered is who is not bad again later', async (t) => {
  const good = Array.from({ length: 20 }, (_, i) => login(i * 100));
  const given = { fromMs: 0, untilMs: 2000, limitMs: 25 };
  t.equal(recoveryMs([runOf(good)], given), 0);
  t.equal(recoveryMs([runOf([...good, login(1100, { tookMs: 26 })])], given), 1250);
  t.equal(recoveryMs([runOf([...good, login(1600, { outcome: 'overloaded' })])], given), 1750);
  const late = [runOf([...good, login(1600, { outcome: 'overloaded' })])];
  t.equal(recoveryMs(late, { ...given, steadyMs: 500 }), 0, 'enough good ones came before');
  t.equal(recoveryMs(late, { ...given, steadyMs: 2000 }), Number.POSITIVE_INFINITY);
});

t.test('only what is known may be missed', async (t) => {
  const [known = ''] = knownAsMissed;
  const of = (name: string, pass: boolean) => ({ name, pass, measured: 1, target: '' });
  t.strictSame(findNews([of(known, false), of('another', true)]), []);
  t.equal(findNews([of(known, false), of('another', false)])[0]?.name, 'another');
  t.equal(findHeld([of(known, true)])[0]?.name, known);
});
