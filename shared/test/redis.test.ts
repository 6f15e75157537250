/**
 * What happens to a command whose answer is lost: a server that counts what reaches it and hangs up
 * instead of answering. Alone, and as the only node of a Cluster. And what is said of a connection's end.
 */
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { codeOf } from '../errors.js';
import { createLog } from '../log.js';
import { connectRedis, hangUp, quitRedis } from '../redis.js';
import { defineScript, storeCall, whenReady } from '../redis-calls.js';
import { openStore } from '../store.js';
import { startRedis } from './redis-server.js';

const quiet = { info: () => {}, warn: () => {} };
const bulk = (text: string) => `$${Buffer.byteLength(text)}\r\n${text}\r\n`;

/** Commands are arrays of bulk strings; short ones arrive whole on loopback. */
const readCommands = (text: string): string[][] =>
  text
    .split(/^\*\d+\r\n/m)
    .filter((part) => part !== '')
    .map((part) => [...part.matchAll(/\$\d+\r\n([^\r]*)\r\n/g)].map((match) => match[1] ?? ''));

type Behaviour = 'answer' | 'hang up' | 'hang' | string;

/** `behave` decides about everything that is not part of connecting. */
const startServer = async (t: Test, behave: () => Behaviour, version = '7.0.15') => {
  const seen: string[] = [];
  const sockets = new Set<Socket>();
  let port = 0;
  const answer = (socket: Socket, [name = '', first = '']: string[]) => {
    const command = name.toLowerCase();
    if (command === 'info')
      return socket.write(bulk(`redis_version:${version}\r\nrole:master\r\nloading:0\r\n`));
    if (command === 'cluster' && first.toLowerCase() === 'info')
      return socket.write(bulk('cluster_state:ok\r\n'));
    if (command === 'cluster')
      return socket.write(
        `*1\r\n*3\r\n:0\r\n:16383\r\n*3\r\n${bulk('127.0.0.1')}:${port}\r\n${bulk('id')}`,
      );
    if (['client', 'readonly', 'readwrite', 'quit'].includes(command))
      return socket.write('+OK\r\n');
    seen.push(command);
    const how = behave();
    if (how === 'hang up') return socket.destroy();
    // Answers come in order, so one that never comes ends the connection.
    if (how === 'hang') return setTimeout(() => socket.destroy(), 500);
    return socket.write(how === 'answer' ? '+OK\r\n' : `-${how.replace('PORT', String(port))}\r\n`);
  };
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('data', (data) => {
      for (const command of readCommands(data.toString())) answer(socket, command);
    });
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  t.teardown(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const address = server.address();
  port = typeof address === 'object' && address !== null ? address.port : 0;
  return { seen, port };
};

const connect = async (t: Test, form: string, port: number) => {
  const client = connectRedis({ url: `${form}://127.0.0.1:${port}`, name: 'test', log: quiet });
  t.teardown(() => quitRedis(client));
  await whenReady(client, 2000);
  // A Cluster is ready before its connections are.
  for (let tries = 0; tries < 40; tries++) {
    if ((await client.get('warm').catch(() => '')) === 'OK') break;
    await sleep(25);
  }
  return client;
};

for (const form of ['redis', 'redis+cluster'])
  t.test(`${form}: a command is executed at most once`, async (t) => {
    let how: Behaviour = 'answer';
    const { seen, port } = await startServer(t, () => how);
    const client = await connect(t, form, port);
    const script = defineScript(client, { name: 'testCall', lua: 'return 1' });
    const writes = {
      set: () => storeCall(client.set('k', 'v')),
      script: () => script(['k'], []),
    };
    for (const [name, write] of Object.entries(writes))
      for (const behaviour of ['hang up', 'hang', 'READONLY no', 'LOADING no', 'CLUSTERDOWN no']) {
        how = 'answer';
        for (let tries = 0; tries < 80; tries++) {
          if ((await client.get('warm').catch(() => '')) === 'OK') break;
          await sleep(25);
        }
        how = behaviour;
        seen.length = 0;
        t.equal(
          await write().then(() => 'ok', codeOf),
          'store_unavailable',
          `${name} ${behaviour}`,
        );
        how = 'answer';
        await sleep(600);
        t.equal(seen.length, 1, `${name}, ${behaviour}: sent ${seen.length} times`);
      }
  });

t.test(
  'redis+cluster: what was not executed is sent where it belongs, a bounded number of times',
  async (t) => {
    let answers: string[] = [];
    const { seen, port } = await startServer(t, () => answers.shift() ?? 'answer');
    const client = await connect(t, 'redis+cluster', port);
    for (const refusal of ['TRYAGAIN later', 'ASK 1 127.0.0.1:PORT']) {
      answers = [refusal];
      seen.length = 0;
      t.equal(await client.set('k', 'v'), 'OK', refusal);
      t.equal(seen.filter((name) => name === 'set').length, 2, refusal);
    }
    answers = Array.from({ length: 20 }, () => 'TRYAGAIN later');
    seen.length = 0;
    t.equal(await storeCall(client.set('k', 'v')).then(() => 'ok', codeOf), 'store_unavailable');
    t.ok(seen.length <= 5, `${seen.length} tries`);
  },
);

const stall = async (ms: number) => {
  // After what is due now, so that the loop's next round begins with the timers.
  await new Promise((resolve) => setImmediate(resolve));
  for (const end = performance.now() + ms; performance.now() < end; );
};

t.test('an answer that came while this process stood still is no timeout', async (t) => {
  const server = await startRedis(t);
  const client = connectRedis({ url: server.url, name: 'test', log: quiet });
  t.teardown(() => hangUp(client));
  await whenReady(client, 2000);
  await client.set('k', 'v');
  const answers = [client.get('k'), client.pipeline().get('k').exec()];
  await stall(600);
  t.same(await Promise.all(answers), ['v', [[null, 'v']]]);
});

t.test('a standstill of this process costs no connection, one of the server does', async (t) => {
  const server = await startRedis(t);
  const client = connectRedis({
    url: server.url,
    name: 'test',
    log: quiet,
    commandTimeoutMs: 5000,
  });
  t.teardown(() => hangUp(client));
  await whenReady(client, 2000);
  let closes = 0;
  client.on('close', () => closes++);
  await client.set('k', 'v');
  for (let i = 0; i < 2; i++) {
    const answers = [client.get('k'), client.get('k')];
    await stall(1300);
    t.same(await Promise.all(answers), ['v', 'v']);
  }
  t.equal(closes, 0);
  process.kill(server.pid(), 'SIGSTOP');
  const from = performance.now();
  const asked = client.get('k').then(
    () => 'answered',
    () => 'failed',
  );
  t.equal(await asked, 'failed', 'before the time for commands is up');
  t.ok(performance.now() - from > 900, 'but not at once');
  t.equal(closes, 1);
  process.kill(server.pid(), 'SIGCONT');
  await whenReady(client, 5000);
  t.equal(await client.get('k'), 'v');
});

t.test('a server that is too old is refused with its version', async (t) => {
  const { port } = await startServer(t, () => 'answer', '6.2.14');
  const options = { url: `redis://127.0.0.1:${port}`, name: 'test', acceptDataLoss: true };
  const log = createLog({ level: 'silent', role: 'test' });
  await t.rejects(openStore({ ...options, log }), {
    message: /leads to Redis 6\.2\.14: 7\.0 or newer/,
  });
});

t.test('a lost connection is told, one that we end is not', async (t) => {
  const server = await startRedis(t);
  const warned: string[] = [];
  const log = { ...quiet, warn: (_: object, text: string) => void warned.push(text) };
  const open = async () => {
    const client = connectRedis({ url: server.url, name: 'test', log });
    await whenReady(client, 2000);
    t.teardown(() => hangUp(client));
    return client;
  };
  const [first, second, third] = [await open(), await open(), await open()];
  await quitRedis(first);
  hangUp(second);
  while (first.status !== 'end' || second.status !== 'end') await sleep(10);
  t.same(warned, []);
  const closed = once(third, 'close');
  await server.stop('SIGKILL');
  await closed;
  t.same(warned, ['redis connection lost']);
});
