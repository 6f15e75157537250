/** What the primary gathers of edges that are processes, and it one that may stand still. */
import cluster, { type Worker } from 'node:cluster';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { createGatherEdges } from '../gather-edges.js';

cluster.setupPrimary({
  exec: fileURLToPath(new URL('gathering-child.mjs', import.meta.url)),
  execArgv: [],
});

const open = async (t: Test, answersAfterMs: number): Promise<Worker> => {
  const worker = cluster.fork({ ANSWERS_AFTER_MS: String(answersAfterMs) });
  t.teardown(() => worker.process.kill('SIGKILL'));
  await once(worker, 'message');
  return worker;
};

/** Two edges, and the admin child that asks and says what it was handed. */
const setUp = async (t: Test, afterMs: readonly number[]) => {
  const edges = await Promise.all(afterMs.map((ms) => open(t, ms)));
  const admin = await open(t, 0);
  const gather = createGatherEdges(() => edges.map((worker, at) => ({ place: at + 1, worker })));
  for (const edge of edges) edge.on('message', (part) => gather.addPart(edge, part));
  const handed = once(admin, 'message');
  gather.start(admin, { id: 1, topic: 'nodes' });
  return { handed };
};

t.test('an edge that does not answer is left out', async (t) => {
  const { handed } = await setUp(t, [60_000, 0]);
  const [{ parts, places }] = await handed;
  t.same(parts, [[{ it: 'is here' }]]);
  t.same(places, [2]);
});

t.test('what came while we stood still is not missing', async (t) => {
  const { handed } = await setUp(t, [200, 200]);
  // They are told, and nothing else is due: the loop's next round begins with the timers.
  await sleep(100);
  await new Promise((resolve) => setImmediate(resolve));
  for (const end = performance.now() + 2000; performance.now() < end; );
  const [{ places }] = await handed;
  t.same(new Set(places), new Set([1, 2]));
});
