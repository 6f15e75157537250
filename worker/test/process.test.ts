import { existsSync, readdirSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { createLog } from '../../shared/log.js';
import { callerProof, headers, type NodeEntry, openEntry } from '../../shared/protocol.js';
import { connectRedis } from '../../shared/redis.js';
import { whenReady } from '../../shared/redis-calls.js';
import { startRedis } from '../../shared/test/redis-server.js';
import { makeRuntimeDir, newId } from './node.js';
import { launch, settingsFor } from './process.js';

t.setTimeout(90_000);

const redis = await startRedis(t);
const log = createLog({ level: 'silent', role: 'test' });
const client = connectRedis({ url: redis.url, name: 'test', log });
t.teardown(() => client.disconnect());
await whenReady(client, 2000);

const start = async (id: string, runtimeDir: string) => {
  const running = launch(t, settingsFor(id, redis.url, runtimeDir));
  t.equal(await running.said(), 'ready');
  const entry = openEntry(
    ['secret-of-the-tests'],
    (await client.hget('{nodes}:entries', id)) ?? '',
  );
  if (entry === undefined) throw new Error('the node is not registered');
  return { ...running, entry };
};

const agent = new Agent({ keepAlive: true });
t.teardown(() => agent.destroy());

const socketOf = ({ endpoints: [first] }: NodeEntry) =>
  first !== undefined && 'unix' in first ? first : { unix: '', dir_id: '' };

/** Status of a login that nobody knows, or the code of what went wrong with the connection. */
const login = (entry: NodeEntry): Promise<number | string> =>
  new Promise((resolve) => {
    const outgoing = request({
      socketPath: socketOf(entry).unix,
      path: '/login',
      method: 'POST',
      agent,
      headers: {
        host: 'node',
        'content-type': 'application/json',
        [headers.caller]: callerProof('secret-of-the-tests', entry.boot_id),
        [headers.attempt]: newId(),
        [headers.class]: 'device',
        [headers.remainingMs]: '5000',
      },
    });
    outgoing.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? 'error'));
    outgoing.on('response', (res) => {
      res.resume();
      res.on('end', () => resolve(res.statusCode ?? 0));
    });
    outgoing.end(JSON.stringify({ u: newId(), password: 'whatever it is' }));
  });

t.test('a node drains on a signal: nothing admitted is lost, exit 0', async (t) => {
  const dir = makeRuntimeDir(t);
  const { child, entry, exited, output } = await start('drains', dir);
  t.equal(await login(entry), 200);
  // Its one thread admits three, however slow the machine is: two hashes are never too long a wait.
  const early = Promise.all([login(entry), login(entry)]);
  child.kill('SIGTERM');
  child.kill('SIGINT');
  const isDraining = async () => {
    const text = (await client.hget('{nodes}:entries', 'drains')) ?? '';
    return openEntry(['secret-of-the-tests'], text)?.draining;
  };
  while ((await isDraining()) === false) await sleep(10);
  t.equal(await isDraining(), true, 'edges are told');
  t.equal(await login(entry), 200, 'and served until they have noticed');
  t.same(await early, [200, 200]);
  const startedAt = performance.now();
  t.equal(await exited, 0);
  t.ok(performance.now() - startedAt < 3000);
  t.equal(await client.hexists('{nodes}:entries', 'drains'), 0, 'it has left the registry');
  t.same(readdirSync(dir), ['dir_id'], 'its socket is gone');
  for (const line of output().trim().split('\n')) t.ok(JSON.parse(line), 'every line is JSON');
});

t.test('the message "drain" and a parent that is gone end it too', async (t) => {
  const first = await start('told', makeRuntimeDir(t));
  first.child.send('drain');
  t.equal(await first.exited, 0);
  const second = await start('orphan', makeRuntimeDir(t));
  second.child.disconnect();
  t.equal(await second.exited, 0);
});

t.test('after a stall, what was waiting is refused as not started', async (t) => {
  const { child, entry } = await start('stalls', makeRuntimeDir(t));
  t.equal(await login(entry), 200);
  child.kill('SIGSTOP');
  const waiting = Promise.all([login(entry), login(entry)]);
  await sleep(1200);
  child.kill('SIGCONT');
  t.same(await waiting, [503, 503]);
  await sleep(300);
  t.equal(await login(entry), 200);
});

t.test('killed and started again it takes over its name and removes its old socket', async (t) => {
  const dir = makeRuntimeDir(t);
  const first = await start('again', dir);
  first.child.kill('SIGKILL');
  await first.exited;
  const stale = socketOf(first.entry).unix;
  t.ok(existsSync(stale));
  const second = await start('again', dir);
  t.equal(existsSync(stale), false);
  t.not(second.entry.boot_id, first.entry.boot_id);
  t.equal(socketOf(second.entry).dir_id, socketOf(first.entry).dir_id);
  t.equal(await login(second.entry), 200);
});
