/** The revocation bench once, tiny: what it measures must be there, its size means nothing. */
import t from 'tap';
import { ensureBuilt } from '../../launch.js';
import { measureCut } from '../../revocation/cut.js';
import { kinds } from '../../revocation/kinds.js';
import { edgeCount, measureVisibility, sizes } from '../../revocation/measure.js';
import { judge } from '../../revocation/verdict.js';

// The machine may be slow.
t.setTimeout(180_000);

const tiny = { nodes: [1], durationSeconds: 1, pairs: 2, progress: () => {} };

t.test('every kind of revocation is seen by every edge, and stays', async (t) => {
  ensureBuilt();
  const count = Object.keys(kinds).length;
  const its = { ...sizes, count, users: 20, tokens: 2, warmUpMs: 300, capacityMs: 300 };
  const { sights, revived, background } = await measureVisibility(tiny, its);
  t.strictSame(new Set(sights.map(({ kind }) => kind)), new Set(Object.keys(kinds)));
  t.ok(sights.every(({ edges }) => edges.length === edgeCount));
  t.equal(revived, 0);
  t.ok((background.checks?.sent ?? 0) > 0);
});

t.test('a log that is cut is noticed, and nothing is accepted once it is back', async (t) => {
  const its = { cutMs: 1500, revocations: 4, afterMs: 200, warmUpMs: 300 };
  const result = await measureCut(tiny, 'deny', its);
  const { during, broken, acceptedBack } = judge(result);
  t.equal(result.revoked, its.revocations);
  t.ok((during['live: 503'] ?? 0) > 0, JSON.stringify(during));
  t.strictSame([broken, acceptedBack], [0, 0]);
  t.ok(result.asked.some(({ at, status }) => at > result.mendedAt && status === 200));
});

t.test('the rule of the cut decides what counts against it', async (t) => {
  const ask = (at: number, token: 'live' | 'revoked', status: number) => ({
    ...{ at, answeredAt: at + 5, token, status },
  });
  const asked = [
    ask(500, 'revoked', 200),
    ask(1500, 'revoked', 200),
    ask(1600, 'live', 503),
    ask(1999, 'live', 200),
    ask(2050, 'revoked', 200),
    ask(2250, 'revoked', 200),
    ask(2260, 'live', 200),
  ];
  const cut = { revoked: 1, asked, mendedAt: 2000, backAt: 2100 };
  t.match(judge({ ...cut, rule: 'deny' }), { broken: 1, acceptedBack: 2, lastAcceptedMs: 250 });
  t.match(judge({ ...cut, rule: 'allow:30s' }), { broken: 1, acceptedBack: 1 });
});
