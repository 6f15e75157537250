/** The rules of rotation, by a clock of the test's own. */
import t from 'tap';
import type { SigningAlg } from '../../tokens/algorithms.js';
import {
  isDue,
  keepLive,
  leadOf,
  nextTurnOf,
  pickSigner,
  type Ring,
  type SigningEntry,
} from '../../tokens/ring.js';

const minute = 60_000;
const day = 24 * 60 * minute;

const entry = (kid: string, createdAt: number, startsAt?: number, alg: SigningAlg = 'EdDSA') => ({
  ...{ kid, alg, created_at: createdAt, jwk: {} },
  ...(startsAt === undefined ? {} : { signs_from: startsAt }),
});
const ring = (...signing: SigningEntry[]): Ring => ({ signing, refresh: [], device: [] });
const kids = (entries: readonly SigningEntry[]) => entries.map(({ kid }) => kid).sort();

t.test('a key signs from its turn on, not before, until the next one does', async (t) => {
  const two = ring(entry('new', 100, 160), entry('old', 0));
  const cases: [number, string, number][] = [
    [0, 'old', 160],
    [159, 'old', 160],
    [160, 'new', Number.POSITIVE_INFINITY],
    [1e9, 'new', Number.POSITIVE_INFINITY],
  ];
  for (const [at, kid, next] of cases) {
    t.equal(pickSigner(two, 'EdDSA', at)?.kid, kid, `at ${at}`);
    t.equal(nextTurnOf(two, at), next);
  }
  t.equal(pickSigner(ring(entry('only', 0, 500)), 'EdDSA', 1)?.kid, 'only', 'nobody else is there');
  t.equal(pickSigner(ring(), 'EdDSA', 1), undefined);
});

t.test('two algorithms: each gateway keeps to its own; a new one waits for its turn', async (t) => {
  const both = ring(entry('es', 100, 160, 'ES256'), entry('ed', 0));
  t.equal(pickSigner(both, 'EdDSA', 1000)?.kid, 'ed', 'although the other is newer');
  t.equal(pickSigner(both, 'ES256', 1000)?.kid, 'es');
  t.equal(pickSigner(both, 'ES256', 159)?.kid, 'ed', 'the other one until then');
  t.equal(pickSigner(both, 'RS256', 1000)?.kid, 'es', 'none of ours: the newest');
  t.equal(isDue(both, 'RS256', { intervalMs: 0, nowMs: 0 }), true);
  t.equal(isDue(both, 'ES256', { intervalMs: 0, nowMs: 0 }), false);
});

t.test('a key is due at the age of the interval, counted from the newest', async (t) => {
  const due = (ofRing: Ring, nowMs: number, intervalMs = 30 * day) =>
    isDue(ofRing, 'EdDSA', { intervalMs, nowMs });
  const old = entry('old', 0);
  t.equal(due(ring(old), 30 * day - 1), false);
  t.equal(due(ring(old), 30 * day), true);
  t.equal(due(ring(entry('new', 30 * day, 30 * day + 1), old), 30 * day), false);
  t.equal(due(ring(old), 1000 * day, 0), false, '0 = never');
  t.equal(leadOf(30 * day), 6 * minute, 'longer than a copy of the JWKS lives');
  t.equal(leadOf(0), 6 * minute);
  t.equal(leadOf(10_000), 2500);
});

t.test('a key stays until the last token that it may have signed is dead', async (t) => {
  const kept = (ofRing: Ring, nowMs: number, intervalMs = 30 * day) =>
    kids(keepLive(ofRing, { intervalMs, nowMs }));
  const three = ring(entry('c', 300, 360), entry('b', 100, 160), entry('a', 0));
  t.strictSame(kept(three, 160 + 17 * minute), ['a', 'b', 'c']);
  t.strictSame(kept(three, 161 + 17 * minute), ['b', 'c']);
  t.strictSame(kept(three, 361 + 17 * minute), ['c']);
  t.strictSame(kept(three, 1e15), ['c'], 'the last one for ever');

  const mixed = ring(entry('es', 100, 160, 'ES256'), entry('ed', 0));
  t.strictSame(kept(mixed, 161 + 17 * minute), ['ed', 'es'], 'another gateway may sign with it');
  t.strictSame(kept(mixed, 30 * day + 17 * minute), ['ed', 'es']);
  t.strictSame(kept(mixed, 161 + 30 * day + 17 * minute), ['es'], 'nobody renewed it');
  t.strictSame(kept(mixed, 1e15, 0), ['ed', 'es'], 'without rotation only an operator knows');
});
