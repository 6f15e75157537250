import t from 'tap';
import { codeOf } from '../errors.js';
import { connectRedis, type RedisClient } from '../redis.js';
import { defineBatch } from '../redis-batch.js';
import { patiently, whenReady } from '../redis-calls.js';
import { startRedis } from './redis-server.js';

t.setTimeout(120_000);
const quiet = { info: () => {}, warn: () => {} };
const server = await startRedis(t);
const connect = async (url: string): Promise<RedisClient> => {
  const client = connectRedis({ url, name: 'test', log: quiet, commandTimeoutMs: 5000 });
  t.teardown(() => client.disconnect());
  await whenReady(client, 20_000);
  return client;
};
const redis = await connect(server.url);
const indexes = (count: number) => Array.from({ length: count }, (_, i) => i);

/** KEYS record, total. ARGV value. Counts each record once; returns whose it is and its value. */
const once = {
  name: 'testOnce',
  keys: 2,
  lua: `
if redis.call('SET', KEYS[1], ARGV[1], 'NX') then redis.call('INCR', KEYS[2]) end
return {KEYS[1], redis.call('GET', KEYS[1])}`,
};
const onceCalls = (tag: string, count: number) =>
  indexes(count).map((i) => ({ keys: [`{${tag}}:${i}`, `{${tag}}:total`], args: [`v${i}`] }));
const onceAnswers = (tag: string, count: number) =>
  indexes(count).map((i) => [`{${tag}}:${i}`, `v${i}`]);

t.test('many records take a few calls, and each answer has the place of its record', async (t) => {
  const run = defineBatch(redis, once);
  for (const count of [0, 1, 49, 50, 51, 230]) {
    const tag = `count-${count}`;
    t.same(await run(onceCalls(tag, count)), onceAnswers(tag, count));
    t.same(await run(onceCalls(tag, count)), onceAnswers(tag, count), 'again');
    t.equal(Number(await redis.get(`{${tag}}:total`)), count);
  }
  await redis.config('RESETSTAT');
  await run(onceCalls('stat', 200));
  const stats = await redis.info('commandstats');
  t.match(stats, /cmdstat_evalsha:calls=4,/);
});

t.test('a record with no answer keeps its place', async (t) => {
  const look = defineBatch(redis, {
    name: 'testLook',
    keys: 1,
    lua: "return redis.call('GET', KEYS[1])",
  });
  await redis.set('there', 'yes');
  const keys = ['absent', 'there', 'absent', 'there', 'absent'];
  const answers = await look(keys.map((key) => ({ keys: [key], args: [] })));
  t.same(answers, [null, 'yes', null, 'yes', null]);
});

t.test('one record that fails fails all, and the repeat finds what was written', async (t) => {
  const run = defineBatch(redis, once);
  await redis.rpush('{bad}:60', 'a list');
  t.equal(await run(onceCalls('bad', 120)).catch(codeOf), 'store_unavailable');
  await redis.del('{bad}:60');
  t.same(await run(onceCalls('bad', 120)), onceAnswers('bad', 120));
  t.equal(await redis.get('{bad}:total'), '120');
});

t.test('a server that does not know the script gets all of it', async (t) => {
  // The script cannot be loaded before, as if it had been flushed between the two.
  await redis.call('ACL', 'SETUSER', 'plain', 'on', '>secret', '~*', '+@all', '-script');
  const plain = await connect(server.url.replace('//', '//plain:secret@'));
  const run = defineBatch(plain, { ...once, lua: `${once.lua} -- another one` });
  t.same(await run(onceCalls('new', 120)), onceAnswers('new', 120));
  t.equal(await redis.get('{new}:total'), '120');
  const stats = await redis.info('errorstats');
  t.match(stats, /errorstat_NOSCRIPT/);
});

t.test('a store lost in the middle: the repeat writes each record once', async (t) => {
  const own = await startRedis(t);
  const client = await connect(own.url);
  const run = defineBatch(client, once);
  const count = 4000;
  const first = run(onceCalls('lost', count)).then(() => 'ok', codeOf);
  await new Promise(setImmediate);
  await own.stop('SIGKILL');
  t.ok(['ok', 'store_unavailable'].includes(String(await first)));
  await own.start();
  const answers = await patiently(() => run(onceCalls('lost', count)), 30_000);
  t.same(answers, onceAnswers('lost', count));
  t.equal(await client.get('{lost}:total'), String(count));
});
