import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { startRedis } from '../../../shared/test/redis-server.js';
import { codeFrom, flood, job, setUp as setUpEdge } from './edge.js';
import { type Handler, reply, startRaw, verdictFor } from './fake-node.js';
import { hostile } from './hostile.js';

const redisServer = startRedis(t);
const setUp = async (t: Test, ids: string[], handler?: Handler) =>
  setUpEdge(t, await redisServer, ids, handler);

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
  // On a slow machine its self-test, which it passes, may have closed the breaker again by now.
  const wasOpen = stateOf('n1')?.state !== 'closed' || fake('n1').state.probes > 0;
  t.ok(wasOpen, 'its breaker opened');
  fake('n1').state.handler = (res, seen) => reply(res, 200, verdictFor(seen, 'boot-1'));
  await until(() => stateOf('n1')?.state === 'closed');
});

t.test('an errand that nodes refuse because of us is trouble, not a wrong token', async (t) => {
  const { nodes, fake } = await setUp(t, ['n1', 'n2']);
  const said = async (status: number, body: object) => {
    for (const id of ['n1', 'n2']) fake(id).state.handler = (res) => reply(res, status, body);
    return nodes.errand('/credentials/show', [{ u: 'x' }]).catch((error: unknown) => error);
  };
  t.same(await said(200, { u: 'x' }), { u: 'x' });
  t.match(await said(401, { error: 'not_authenticated' }), { code: 'no_node' }, 'they began anew');
  t.match(await said(401, { error: 'token_invalid' }), { code: 'bad_node_answer' });
  t.match(await said(500, { error: 'internal' }), { code: 'bad_node_answer' });
  t.match(await said(404, { error: 'not_found' }), { code: 'not_found' });
  t.match(await said(503, { error: 'store_unavailable' }), { code: 'store_unavailable' });
  const refused = { error: 'bad_request', reason: 'field_invalid', field: 'scopes' };
  t.match(await said(400, refused), {
    code: 'bad_request',
    reason: 'field_invalid',
    field: 'scopes',
  });
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

t.test('silence alone does not open the only node', async (t) => {
  const { nodes, fake, stateOf, until } = await setUp(t, ['n1']);
  const { state } = fake('n1');
  state.handler = () => {};
  state.isWell = false;
  const login = codeFrom(nodes);
  await until(() => state.probes === 2);
  t.equal(stateOf('n1')?.state, 'closed', 'its first self-test has stayed unanswered');
  t.not(await login, 'ok');
});

t.test('a node that works on something dear, and says that it lives, is waited for', async (t) => {
  const dear: Handler = (res, seen) =>
    void setTimeout(() => reply(res, 200, verdictFor(seen, 'boot-1')), 1500);
  const { nodes, fake } = await setUp(t, ['n1', 'n2'], dear);
  t.equal(await codeFrom(nodes), 'ok');
  t.equal(fake('n1').seen.length + fake('n2').seen.length, 1, 'and not asked twice');
});

t.test(
  'a node that leaves finishes its dear hash: a new boot in its place, or a stop',
  async (t) => {
    const dear: Handler = (res, seen) =>
      void setTimeout(() => reply(res, 200, verdictFor(seen, 'boot-1')), 1500);
    for (const changes of [{ boot_id: 'boot-2' }, { draining: true }]) {
      const { nodes, fake, beat, until } = await setUp(t, ['n1', 'n2'], dear);
      const seenBy = (id: string) => fake(id).seen.length;
      const login = codeFrom(nodes);
      await until(() => seenBy('n1') + seenBy('n2') === 1);
      const id = seenBy('n1') === 1 ? 'n1' : 'n2';
      await beat(id, changes);
      await until(() =>
        nodes.snapshot().some((node) => node.draining || node.boot_id === 'boot-2'),
      );
      fake(id).state.isWell = false;
      t.equal(await login, 'ok');
      t.equal(seenBy('n1') + seenBy('n2'), 1, 'and nobody else is asked');
    }
  },
);

t.test('a silent node is waited for when nobody else would be asked', async (t) => {
  const afterMs: Handler = (res, seen) =>
    void setTimeout(() => reply(res, 200, verdictFor(seen, 'boot-1')), 1200);
  const alone = await setUp(t, ['n1'], afterMs);
  alone.fake('n1').state.isWell = false;
  t.equal(await codeFrom(alone.nodes), 'ok', 'it is the only one');

  const { nodes, fake } = await setUp(t, ['n1', 'n2']);
  const seenBy = (id: string) => fake(id).seen.length;
  for (const id of ['n1', 'n2']) {
    fake(id).state.isWell = false;
    fake(id).state.handler = (res, seen) => {
      if (seenBy('n1') + seenBy('n2') === 2) afterMs(res, seen);
    };
  }
  t.equal(await codeFrom(nodes), 'ok', 'it was the second one asked');
  t.same([seenBy('n1'), seenBy('n2')], [1, 1]);
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

t.test('whatever a node answers, a login ends in time with an error of ours', async (t) => {
  const { nodes, beat, until, pathOf } = await setUp(t, []);
  let behave = (_: Socket) => {};
  await startRaw(t, pathOf('n1'), (socket) => behave(socket));
  await beat('n1');
  await until(() => nodes.snapshot().length === 1);
  const ours = ['bad_node_answer', 'timeout', 'no_node'];
  for (const [name, kind] of Object.entries(hostile)) {
    behave = kind.behave;
    const start = performance.now();
    const code = await codeFrom(nodes, { deadlineAt: start + 1000 });
    t.ok(ours.includes(code), `${name}: ${code}`);
    t.ok(performance.now() - start < 2500, `${name} ends in time`);
  }
});
