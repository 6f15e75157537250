import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { codeOf } from '../../../shared/errors.js';
import { createMetrics } from '../../../shared/metrics.js';
import { type NodeEntry, signEntry } from '../../../shared/protocol.js';
import { connectRedis, quitRedis, whenReady } from '../../../shared/redis.js';
import { startRedis } from '../../../shared/test/redis-server.js';
import { createNodes, type Job } from '../../nodes/submit.js';
import { type Handler, refusal, reply, secret, startNode, verdictFor } from './fake-node.js';

const log = { info: () => {}, warn: () => {} };
const redisServer = startRedis(t, ['--save', '']);
let attempts = 0;

/** An edge's nodes over fake ones on real sockets, found through a real registry. */
const setUp = async (t: Test, ids: string[], handler?: Handler) => {
  const server = await redisServer;
  const runtimeDir = mkdtempSync(join(tmpdir(), 'fg-run-'));
  writeFileSync(join(runtimeDir, 'dir_id'), 'dir');
  const redis = connectRedis({ url: server.url, name: 'test', log });
  await whenReady(redis, 2000);
  await redis.flushall();
  const pathOf = (id: string) => join(runtimeDir, `${id}.sock`);

  const beat = async (id: string, changes: Partial<NodeEntry> = {}) => {
    const endpoints = [{ unix: pathOf(id), dir_id: 'dir' }];
    const base = { boot_id: 'boot-1', slots: 2, version: '', zone: '', draining: false };
    const entry = { id, endpoints, ...base, ...changes };
    const [seconds = 0] = (await redis.time()).map(Number);
    // Far ahead, so that no heartbeat is needed.
    await redis.zadd('{nodes}:seen', seconds * 1000 + 3_600_000, id);
    await redis.hset('{nodes}:entries', id, signEntry(secret, entry));
  };
  const start = (id: string, options: { bootId?: string; strict?: boolean } = {}) =>
    startNode(t, { path: pathOf(id), ...options, ...(handler ? { handler } : {}) });

  const fakes = new Map<string, Awaited<ReturnType<typeof start>>>();
  for (const id of ids) {
    fakes.set(id, await start(id));
    await beat(id);
  }
  const metrics = createMetrics({ defaults: false });
  const nodes = createNodes({ redis, secrets: [secret], runtimeDir, log, metrics });
  t.teardown(async () => {
    nodes.close();
    await quitRedis(redis);
    rmSync(runtimeDir, { recursive: true, force: true });
  });
  await nodes.ready();
  const fake = (id: string) => {
    const found = fakes.get(id);
    if (found === undefined) throw new Error(`no fake ${id}`);
    return found;
  };
  /** Until `isSo`, at most 5 s. */
  const until = async (isSo: () => boolean) => {
    for (let i = 0; i < 250 && !isSo(); i++) await sleep(20);
    if (!isSo()) throw new Error('it does not become so');
  };
  const stateOf = (id: string) => nodes.snapshot().find((node) => node.id === id);
  return { nodes, redis, metrics, beat, start, fake, until, stateOf, pathOf };
};

const job = (changes: Partial<Job> = {}): Job => ({
  route: '/login',
  u: `user${++attempts}`,
  attemptId: `attempt-${attempts}`,
  class: 'login',
  body: { u: 'x', password: 'p' },
  deadlineAt: performance.now() + 2500,
  requestId: 'request-1',
  ...changes,
});

type Nodes = Awaited<ReturnType<typeof setUp>>['nodes'];
const codeFrom = (nodes: Nodes, changes: Partial<Job> = {}): Promise<string> =>
  nodes.submit(job(changes)).then((verdict) => verdict.outcome, codeOf);

/** Runs n logins, `gapMs` apart, and counts how they ended. */
const flood = async (nodes: Nodes, n: number, gapMs: number): Promise<Record<string, number>> => {
  const running: Promise<string>[] = [];
  for (let i = 0; i < n; i++) {
    running.push(codeFrom(nodes));
    await sleep(gapMs);
  }
  const counts: Record<string, number> = {};
  for (const code of await Promise.all(running)) counts[code] = (counts[code] ?? 0) + 1;
  return counts;
};

t.test('a job reaches a node with all it needs, and the verdict comes back', async (t) => {
  const { nodes, fake } = await setUp(t, ['n1']);
  const verdict = await nodes.submit(job({ attemptId: 'attempt-x', class: 'device' }));
  t.match(verdict, { attempt_id: 'attempt-x', outcome: 'ok', user_id: 'u_1', gen: 1 });
  t.match(fake('n1').seen, [
    {
      path: '/login',
      body: '{"u":"x","password":"p"}',
      headers: {
        'x-floodgate-attempt': 'attempt-x',
        'x-floodgate-class': 'device',
        'x-floodgate-caller': /^[0-9a-f]{64}$/,
        'x-floodgate-remaining-ms': /^2[34]\d\d$/,
        'x-request-id': 'request-1',
      },
    },
  ]);
});

t.test('an account stays on its node, accounts spread over all', async (t) => {
  const { nodes, fake } = await setUp(t, ['n1', 'n2', 'n3']);
  for (let i = 0; i < 5; i++) await nodes.submit(job({ u: 'alice' }));
  t.same(['n1', 'n2', 'n3'].map((id) => fake(id).seen.length).sort(), [0, 0, 5]);
  for (let i = 0; i < 40; i++) await nodes.submit(job());
  for (const id of ['n1', 'n2', 'n3']) t.ok(fake(id).seen.length > 3, id);
});

t.test('a killed node costs nobody their login, and comes back by itself', async (t) => {
  const slowly: Handler = (res, seen) =>
    void setTimeout(() => reply(res, 200, verdictFor(seen, 'boot-1')), 10);
  const { nodes, fake, until, stateOf } = await setUp(t, ['n1', 'n2', 'n3'], slowly);
  const running = flood(nodes, 100, 4);
  await sleep(100);
  fake('n2').kill();
  t.same(await running, { ok: 100 });
  await until(() => stateOf('n2')?.state !== 'closed');
  await fake('n2').listen();
  await until(() => stateOf('n2')?.state === 'closed');
  t.equal(fake('n2').state.probes >= 2, true);
  t.ok((stateOf('n2')?.weight ?? 1) < 0.3, 'in slow start');
});

t.test('registering repeats with the same attempt id when the node dies', async (t) => {
  const { nodes, fake } = await setUp(t, ['n1', 'n2']);
  for (const id of ['n1', 'n2'])
    fake(id).state.handler = (res, seen) => {
      if (fake('n1').seen.length + fake('n2').seen.length === 1) res.destroy();
      else reply(res, 200, verdictFor(seen, 'boot-1'));
    };
  const verdict = await nodes.submit(job({ route: '/register', attemptId: 'attempt-r' }));
  t.equal(verdict.outcome, 'ok');
  const ids = [...fake('n1').seen, ...fake('n2').seen].map((s) => s.headers['x-floodgate-attempt']);
  t.same(ids, ['attempt-r', 'attempt-r']);
});

t.test('a node that fails at once attracts nobody for long', async (t) => {
  const { nodes, fake, stateOf, until } = await setUp(t, ['n1', 'n2', 'n3']);
  fake('n1').state.handler = (res) => reply(res, 500, { error: 'internal' });
  const ended = await flood(nodes, 100, 2);
  t.ok((ended.bad_node_answer ?? 0) <= 5, 'five failures, not repeated: the node may have worked');
  t.equal(ended.ok, 100 - (ended.bad_node_answer ?? 0));
  t.not(stateOf('n1')?.state, 'closed');
  fake('n1').state.handler = (res, seen) => reply(res, 200, verdictFor(seen, 'boot-1'));
  await until(() => stateOf('n1')?.state === 'closed');
});

t.test('a node that flaps is left alone for longer each time', async (t) => {
  const { nodes, fake, stateOf, until } = await setUp(t, ['n1', 'n2', 'n3']);
  fake('n1').state.handler = (res) => reply(res, 500, { error: 'internal' });
  const openAgain = () =>
    until(() => {
      for (let i = 0; i < 3; i++) void codeFrom(nodes);
      return stateOf('n1')?.state === 'half-open' || stateOf('n1')?.state === 'open';
    });
  await openAgain();
  t.equal(stateOf('n1')?.state, 'half-open', 'probed at once');
  await until(() => stateOf('n1')?.state === 'closed');
  await openAgain();
  t.equal(stateOf('n1')?.state, 'open', 'not probed for a second');
});

t.test('a node that hangs is given up after 600 ms, and found out before', async (t) => {
  const { nodes, fake, stateOf, until } = await setUp(t, ['n1', 'n2', 'n3']);
  const hanging = fake('n1');
  hanging.state.handler = () => {};
  hanging.state.isWell = false;
  const start = performance.now();
  const first = flood(nodes, 30, 1);
  await until(() => stateOf('n1')?.suspect === true);
  const before = hanging.seen.length;
  t.same(await flood(nodes, 30, 1), { ok: 30 });
  t.equal(hanging.seen.length, before, 'no first choices while it is suspect');
  t.same(await first, { ok: 30 });
  t.ok(performance.now() - start < 1500);
  await until(() => stateOf('n1')?.state === 'half-open');
  hanging.state.isWell = true;
  hanging.state.handler = (res, seen) => reply(res, 200, verdictFor(seen, 'boot-1'));
  await until(() => stateOf('n1')?.state === 'closed');
});

t.test('a node that works on something dear, and says that it lives, is waited for', async (t) => {
  const dear: Handler = (res, seen) =>
    void setTimeout(() => reply(res, 200, verdictFor(seen, 'boot-1')), 1500);
  const { nodes, fake } = await setUp(t, ['n1', 'n2'], dear);
  t.equal(await codeFrom(nodes), 'ok');
  t.equal(fake('n1').seen.length + fake('n2').seen.length, 1, 'and not asked twice');
});

t.test('nothing takes longer than the deadline', async (t) => {
  const { nodes } = await setUp(t, ['n1', 'n2'], () => {});
  const start = performance.now();
  t.equal(await codeFrom(nodes, { deadlineAt: start + 300 }), 'timeout');
  t.ok(performance.now() - start < 500);
});

t.test('an answer after the time does nothing, to its own or to another request', async (t) => {
  const { nodes, fake } = await setUp(t, ['n1']);
  let late = () => {};
  fake('n1').state.handler = (res, seen) => {
    late = () => reply(res, 200, verdictFor(seen, 'boot-1'));
  };
  t.equal(await codeFrom(nodes, { deadlineAt: performance.now() + 100 }), 'timeout');
  fake('n1').state.handler = (res, seen) => reply(res, 200, verdictFor(seen, 'boot-1'));
  const next = nodes.submit(job({ attemptId: 'attempt-next' }));
  late();
  t.equal((await next).attempt_id, 'attempt-next');
});

t.test('verdicts that are not for this attempt are refused and not repeated', async (t) => {
  const { nodes, fake } = await setUp(t, ['n1', 'n2']);
  const lies: Handler[] = [
    (res, seen) => reply(res, 200, verdictFor(seen, 'boot-0')),
    (res, seen) => reply(res, 200, verdictFor(seen, 'boot-1', { attempt_id: 'attempt-0' })),
    (res, seen) => reply(res, 200, { ...verdictFor(seen, 'boot-1'), user_id: 'u_admin' }),
    (res) => reply(res, 200, {}),
  ];
  for (const lie of lies) {
    for (const id of ['n1', 'n2']) fake(id).state.handler = lie;
    t.equal(await codeFrom(nodes), 'bad_node_answer');
  }
  t.equal(fake('n1').seen.length + fake('n2').seen.length, lies.length);
});

t.test('a refusal sends the job elsewhere; refused everywhere it is overloaded', async (t) => {
  const { nodes, fake } = await setUp(t, ['n1', 'n2']);
  fake('n1').state.handler = (res) => reply(res, 503, refusal(400));
  for (let i = 0; i < 10; i++) t.equal(await codeFrom(nodes), 'ok');
  fake('n2').state.handler = (res) => reply(res, 503, refusal(400));
  while ((await codeFrom(nodes)) !== 'overloaded');
  t.throws(() => nodes.shed('anyone'), { code: 'overloaded' });
  const before = fake('n1').seen.length + fake('n2').seen.length;
  await t.rejects(nodes.submit(job()), { code: 'overloaded' });
  t.equal(fake('n1').seen.length + fake('n2').seen.length, before, 'nothing is sent');
  await sleep(550);
  nodes.shed('anyone');
  t.equal(
    nodes.snapshot().every((node) => node.state === 'closed'),
    true,
    'no failure of theirs',
  );
});

t.test('what the node says about the request is passed on by name', async (t) => {
  const { nodes } = await setUp(t, ['n1'], (res) =>
    reply(res, 400, { error: 'bad_request', reason: 'password_common', field: 'password' }),
  );
  await t.rejects(nodes.submit(job({ route: '/register' })), {
    code: 'bad_request',
    reason: 'password_common',
    field: 'password',
  });
});

t.test('a store lost at the nodes opens no breaker', async (t) => {
  const { nodes, stateOf } = await setUp(t, ['n1'], (res) =>
    reply(res, 503, { error: 'store_unavailable' }),
  );
  for (let i = 0; i < 10; i++) t.equal(await codeFrom(nodes), 'store_unavailable');
  t.equal(stateOf('n1')?.state, 'closed');
});

t.test('a caller who leaves ends the request at the node and frees the account', async (t) => {
  const { nodes, stateOf, until } = await setUp(t, ['n1'], () => {});
  let leave = () => {};
  const signal = {
    aborted: false,
    onAbort: (fn: () => void) => {
      leave = fn;
    },
  };
  const running = codeFrom(nodes, { u: 'alice', signal });
  await until(() => stateOf('n1')?.inflight === 1);
  signal.aborted = true;
  leave();
  t.equal(await running, 'timeout');
  t.equal(stateOf('n1')?.inflight, 0);
  nodes.shed('alice');
});

t.test('draining nodes get nothing new; the last one to drain leaves no node', async (t) => {
  const { nodes, fake, beat, until, stateOf } = await setUp(t, ['n1', 'n2']);
  await beat('n1', { draining: true });
  await until(() => stateOf('n1')?.draining === true);
  for (let i = 0; i < 10; i++) t.equal(await codeFrom(nodes), 'ok');
  t.equal(fake('n1').seen.length, 0);
  await beat('n2', { draining: true });
  await until(() => stateOf('n2')?.draining === true);
  t.throws(() => nodes.shed('anyone'), { code: 'no_node' });
});

t.test('a node that joins takes traffic, in slow start', async (t) => {
  const { nodes, start, beat, until, stateOf } = await setUp(t, ['n1']);
  t.equal(stateOf('n1')?.weight, 1, 'what was there before the edge has its full weight');
  const joined = await start('n2');
  await beat('n2');
  await until(() => stateOf('n2') !== undefined);
  t.ok((stateOf('n2')?.weight ?? 1) < 0.2);
  for (let i = 0; i < 100; i++) await nodes.submit(job());
  t.ok(joined.seen.length > 0 && joined.seen.length < 40, String(joined.seen.length));
});

t.test('a node that leaves is dropped once its last request has ended', async (t) => {
  const { nodes, fake, redis, stateOf, until } = await setUp(t, ['n1', 'n2']);
  let finish = () => {};
  for (const id of ['n1', 'n2'])
    fake(id).state.handler = (res, seen) => {
      finish = () => reply(res, 200, verdictFor(seen, 'boot-1'));
    };
  const running = nodes.submit(job());
  await until(() => nodes.snapshot().some((node) => node.inflight === 1));
  const id = nodes.snapshot().find((node) => node.inflight === 1)?.id ?? '';
  await redis.zrem('{nodes}:seen', id);
  await until(() => stateOf(id) === undefined);
  finish();
  t.equal((await running).outcome, 'ok');
  await until(() => fake(id).sockets.size === 0);
});

t.test('a restarted node is known again with its first refusal of the old proof', async (t) => {
  const { nodes, fake, start, beat, stateOf } = await setUp(t, ['n1']);
  await nodes.submit(job());
  fake('n1').kill();
  await start('n1', { bootId: 'boot-2', strict: true });
  await beat('n1', { boot_id: 'boot-2' });
  t.equal(await codeFrom(nodes), 'ok', 'although this edge had not heard of it');
  t.equal(stateOf('n1')?.boot_id, 'boot-2');
});

t.test('with all nodes dead or failing the others are still tried (panic)', async (t) => {
  const { nodes, fake, until, stateOf } = await setUp(t, ['n1', 'n2', 'n3']);
  for (const id of ['n1', 'n2', 'n3'])
    fake(id).state.handler = (res) => reply(res, 500, { error: 'internal' });
  for (let i = 0; i < 30; i++) await codeFrom(nodes);
  for (const id of ['n1', 'n2', 'n3']) {
    fake(id).state.isWell = false;
    fake(id).state.handler = (res, seen) => reply(res, 200, verdictFor(seen, 'boot-1'));
  }
  await until(() => nodes.snapshot().every((node) => node.state !== 'closed'));
  t.equal(await codeFrom(nodes), 'ok');
  for (const id of ['n1', 'n2', 'n3']) fake(id).state.isWell = true;
  await until(() => stateOf('n1')?.state === 'closed');
});

t.test('Redis lost: the known nodes serve on', async (t) => {
  const { nodes } = await setUp(t, ['n1', 'n2']);
  const server = await redisServer;
  await server.stop('SIGKILL');
  await sleep(700);
  t.same(await flood(nodes, 20, 1), { ok: 20 });
  await server.start();
});

t.test('calls for the admin reach one node, and say what went wrong', async (t) => {
  const { nodes, fake } = await setUp(t, ['n1', 'n2']);
  fake('n2').state.handler = (res, seen) => reply(res, 200, { did: seen.path });
  t.same(await nodes.call('n2', 'POST', '/drain'), { did: '/drain' });
  t.equal(fake('n1').seen.length, 0);
  fake('n2').state.handler = (res) => reply(res, 200, { text: 'x'.repeat(1_000_000) });
  t.match(await nodes.call('n2', 'GET', '/metrics'), { text: /^x/ });
  fake('n2').state.handler = (res) => reply(res, 404, {});
  await t.rejects(nodes.call('n2', 'GET', '/x'), { code: 'bad_node_answer' });
  await t.rejects(nodes.call('n9', 'GET', '/x'), { code: 'not_found' });
  fake('n2').kill();
  await t.rejects(nodes.call('n2', 'GET', '/x'), { code: 'no_node' });
});

t.test('what happened can be counted', async (t) => {
  const { nodes, metrics, fake } = await setUp(t, ['n1', 'n2']);
  fake('n1').state.handler = (res) => reply(res, 503, refusal(400));
  for (let i = 0; i < 10; i++) await nodes.submit(job());
  const text = await metrics.text();
  t.match(text, /floodgate_node_forwards_total{node="n2",outcome="verdict"} 10/);
  t.match(text, /floodgate_node_forwards_total{node="n1",outcome="refused"} [1-9]/);
  t.match(text, /floodgate_node_retries_total{reason="refused"} [1-9]/);
  t.match(text, /floodgate_node_breaker_state{node="n1",state="closed"} 1/);
  t.match(text, /floodgate_node_inflight{node="n1"} 0/);
});

t.test('closing leaves no connection and no timer', async (t) => {
  const { nodes, fake, until } = await setUp(t, ['n1', 'n2']);
  await flood(nodes, 10, 0);
  nodes.close();
  await until(() => fake('n1').sockets.size + fake('n2').sockets.size === 0);
  await sleep(600);
  t.equal(fake('n1').sockets.size + fake('n2').sockets.size, 0);
});
