/** The paired test on differences that are known, and a whole run of the timing bench, tiny. */
import t from 'tap';
import { ensureBuilt } from '../../launch.js';
import { testPairs } from '../../paired.js';
import { measureTiming, names, plantedMs } from '../../timing-measure.js';

t.setTimeout(300_000);

/** Noise without a middle: the same every time. */
const noise = Array.from({ length: 400 }, (_, i) => Math.sin(i * 12.9898) * 3);

t.test('a planted difference is found, none is not, a small certain one is', async (t) => {
  t.equal(testPairs(noise).leaks, false);
  t.equal(testPairs(noise.map((value) => value + 2)).leaks, true);
  t.equal(testPairs(noise.map((value) => value - 2)).leaks, true);
  t.equal(testPairs(noise.map((value) => value * 0.01 + 0.6)).leaks, true, 'by its sign');
  t.equal(testPairs(noise.map((value) => value * 0.01 + 0.3)).leaks, false, 'too small to see');
  t.equal(testPairs([0, 0, 0]).leaks, false);
});

t.test('a tiny run measures every kind, idle and under load', async (t) => {
  ensureBuilt();
  const tiny = { rounds: 1, loadedRounds: 1, warmUpRounds: 1, warmUpMs: 300, capacityMs: 300 };
  const phases = [
    { load: 0, rounds: 2 },
    { load: 0.5, rounds: 2 },
  ];
  const found = await measureTiming(
    { nodes: [1], durationSeconds: 1, pairs: 2, progress: () => {} },
    { nodes: 1, users: 20, ...tiny },
    [{ floorMs: 0, phases }],
  );
  t.strictSame(
    found.map(({ load }) => load),
    [0, 0.5],
  );
  for (const { rounds, dropped } of found) {
    t.equal(rounds.length + dropped, 2);
    for (const times of rounds) {
      for (const name of names) t.ok((times[name] ?? 0) > 0, name);
      t.ok((times.planted ?? 0) >= plantedMs);
    }
  }
});
