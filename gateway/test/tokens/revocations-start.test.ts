/** A revocation log that cannot be read at a start: an edge says why and does not wait for ever. */
import t from 'tap';
import { createLog } from '../../../shared/log.js';
import { connectRedis } from '../../../shared/redis.js';
import { startRedis, type TestRedis } from '../../../shared/test/redis-server.js';
import { createRevocations } from '../../tokens/revocations.js';
import { openClient, quiet, until } from '../store.js';

type Test = Parameters<typeof openClient>[0];

/** An edge whose clock can be set forward, its lines, and what became of its start. */
const openEdge = async (t: Test, server: TestRedis, url = server.url) => {
  const redis = await openClient(t, server);
  const connect = () => connectRedis({ url, name: 'log', log: quiet, blocking: true });
  const lines: Record<string, unknown>[] = [];
  const stream = { write: (text: string) => void lines.push(JSON.parse(text)) };
  let skippedMs = 0;
  const log = createRevocations({
    ...{ redis, connect, now: () => performance.now() + skippedMs },
    log: createLog({ level: 'warn', role: 'test', stream }),
  });
  t.teardown(log.close);
  let state = 'waiting';
  log.ready().then(
    () => {
      state = 'ready';
    },
    (error: Error) => {
      state = error.message;
    },
  );
  const pass = (ms: number) => {
    skippedMs += ms;
  };
  return { lines, pass, state: () => state };
};

t.test('a start that works says nothing, also while the connection is being made', async (t) => {
  const server = await startRedis(t);
  const { lines, state } = await openEdge(t, server);
  t.ok(await until(() => state() === 'ready'));
  t.same(lines, []);
});

t.test('a user who may not read it: one line with the cause, then the start fails', async (t) => {
  const server = await startRedis(t);
  const admin = await openClient(t, server);
  await admin.call('ACL', 'SETUSER', 'narrow', 'on', '>pw', '~other', '+@all');
  const url = server.url.replace('unix://', 'unix://narrow:pw@');
  const { lines, pass, state } = await openEdge(t, server, url);
  t.ok(await until(() => lines.length === 1));
  t.match(lines, [{ msg: 'revocation log cannot be read yet', err: { message: /^NOPERM/ } }]);
  t.equal(state(), 'waiting');
  pass(8000);
  t.ok(await until(() => state() !== 'waiting'));
  t.match(state(), /^the revocation log cannot be read \(NOPERM.*XREVRANGE.* key revocations/);
  t.equal(lines.length, 1, 'once');
});

t.test('a key of another type: in time it can be put right', async (t) => {
  const server = await startRedis(t);
  const admin = await openClient(t, server);
  await admin.set('revocations', 'not a stream');
  const [late, mended] = [await openEdge(t, server), await openEdge(t, server)];
  t.ok(await until(() => late.lines.length === 1 && mended.lines.length === 1));
  t.match(late.lines, [{ err: { message: /^WRONGTYPE/ } }]);
  late.pass(8000);
  t.ok(await until(() => late.state().startsWith('the revocation log cannot be read (WRONGTYPE')));
  await admin.del('revocations');
  t.ok(await until(() => mended.state() === 'ready'));
  await admin.set('revocations', 'not a stream');
  mended.pass(60_000);
  t.ok(await until(() => mended.lines.length === 2));
  t.match(mended.lines[1], { msg: 'revocation log lost' });
  t.equal(mended.state(), 'ready', 'what runs is not ended');
});

t.test('a store that is not there is given up, too', async (t) => {
  const server = await startRedis(t);
  const { pass, state } = await openEdge(t, server, `${server.url}-gone`);
  pass(8000);
  t.ok(await until(() => state() !== 'waiting'));
  t.match(state(), /^the revocation log cannot be read \(/);
});
