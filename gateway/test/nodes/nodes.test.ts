import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { startRedis } from '../../../shared/test/redis-server.js';
import { codeFrom, flood, job, setUp as setUpEdge } from './edge.js';
import { type Handler, refusal, reply, verdictFor } from './fake-node.js';

const redisServer = startRedis(t);
const setUp = async (t: Test, ids: string[], handler?: Handler) =>
  setUpEdge(t, await redisServer, ids, handler);

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
  t.throws(() => nodes.hold('anyone', 'login'), { code: 'overloaded' });
  const before = fake('n1').seen.length + fake('n2').seen.length;
  await t.rejects(nodes.submit(job()), { code: 'overloaded' });
  t.equal(fake('n1').seen.length + fake('n2').seen.length, before, 'nothing is sent');
  await sleep(550);
  nodes.hold('anyone', 'login');
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

const lost: Handler = (res) => reply(res, 503, { error: 'store_unavailable' });

t.test('a store lost at the nodes opens no breaker', async (t) => {
  const { nodes, stateOf } = await setUp(t, ['n1', 'n2'], lost);
  for (let i = 0; i < 20; i++) t.equal(await codeFrom(nodes), 'store_unavailable');
  t.same([stateOf('n1')?.state, stateOf('n2')?.state], ['closed', 'closed']);
});

t.test('a node that alone has lost the store is passed over, and opens', async (t) => {
  const { nodes, fake, stateOf, metrics } = await setUp(t, ['n1', 'n2']);
  fake('n1').state.handler = lost;
  const codes: string[] = [];
  while (stateOf('n1')?.state === 'closed') codes.push(await codeFrom(nodes));
  // Until another node has served since its first, nothing tells whose fault it is.
  t.match(codes.join(' '), /^(ok ?)*(store_unavailable ?)*(ok ?)*$/);
  for (let i = 0; i < 20; i++) t.equal(await codeFrom(nodes), 'ok');
  t.match(await metrics.text(), /node_forwards_total\{[^}]*outcome="cut_off"[^}]*\} [5-9]/);
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
  nodes.hold('alice', 'login');
});

t.test('draining nodes get nothing new; the last one to drain leaves no node', async (t) => {
  const { nodes, fake, beat, until, stateOf } = await setUp(t, ['n1', 'n2']);
  await beat('n1', { draining: true });
  await until(() => stateOf('n1')?.draining === true);
  for (let i = 0; i < 10; i++) t.equal(await codeFrom(nodes), 'ok');
  t.equal(fake('n1').seen.length, 0);
  await beat('n2', { draining: true });
  await until(() => stateOf('n2')?.draining === true);
  t.throws(() => nodes.hold('anyone', 'login'), { code: 'no_node' });
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
  t.match(text, /floodgate_node_forwards_inflight{node="n1"} 0/);
});

t.test('closing leaves no connection and no timer', async (t) => {
  const { nodes, fake, until } = await setUp(t, ['n1', 'n2']);
  await flood(nodes, 10, 0);
  nodes.close();
  await until(() => fake('n1').sockets.size + fake('n2').sockets.size === 0);
  await sleep(600);
  t.equal(fake('n1').sockets.size + fake('n2').sockets.size, 0);
});
