/** Real topologies as their clients see them: TLS, ACL users, masters that hang, and forms that do not fit. */
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { codeOf } from '../errors.js';
import { createLog } from '../log.js';
import { dropConnections, quitRedis, type RedisClient } from '../redis.js';
import { confirmWrites, defineScript, storeCall } from '../redis-calls.js';
import { slotOf } from '../redis-slot.js';
import { openStore } from '../store.js';
import { startCluster, startSentinel, type TlsPair } from './redis-topology.js';

t.setTimeout(120_000);
// They mostly wait: for servers to find each other, and to notice that one is gone.
t.jobs = 3;

const log = createLog({ level: 'silent', role: 'test' });
const keys = ['a', 'b', 'c', '{nodes}:seen', 'meta:epoch'];

const open = async (t: Test, url: string): Promise<RedisClient> => {
  const store = await openStore({ url, name: 'test', acceptDataLoss: false, log });
  t.teardown(() => quitRedis(store));
  return store;
};
const isTimer = (resource: string): boolean => resource === 'Timeout';
const outcome = (call: Promise<unknown>) => storeCall(call).then(() => 'ok', codeOf);

const backAgain = async (store: RedisClient, key: string): Promise<boolean> => {
  for (let tries = 0; tries < 400; tries++) {
    if ((await outcome(store.set(key, '1'))) === 'ok') return true;
    await sleep(50);
  }
  return false;
};

/** Its own CA, for 127.0.0.1, and good for both ends: servers of a Cluster call each other. */
const makeCertificate = (t: Test): TlsPair => {
  const dir = mkdtempSync(join(tmpdir(), 'fg-tls-'));
  t.teardown(() => rmSync(dir, { recursive: true, force: true }));
  const [cert, key] = [join(dir, 'cert.pem'), join(dir, 'key.pem')];
  execFileSync(
    'openssl',
    [
      ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'],
      ...['-days', '2', '-subj', '/CN=redis.test', '-addext', 'subjectAltName=IP:127.0.0.1'],
      ...['-keyout', key, '-out', cert],
    ],
    { stdio: 'ignore' },
  );
  return { cert, key, ca: cert };
};

/** `url` names the file `ca`. */
const testRenewal = (t: Test, name: string, url: string, { ca }: TlsPair) =>
  t.test(`a CA that changes is that of the next connection: ${name}`, async (t) => {
    const file = join(t.testdir(), 'ca.pem');
    copyFileSync(ca, file);
    const store = await open(t, url.replace(ca, file));
    copyFileSync(makeCertificate(t).ca, file);
    dropConnections(store);
    for (let tries = 0; tries < 20; tries++) {
      t.equal(await outcome(store.set('a', '1')), 'store_unavailable');
      await sleep(50);
    }
    copyFileSync(ca, file);
    t.ok(await backAgain(store, 'a'));
  });

t.test('a Cluster over TLS, and no other certificate', async (t) => {
  const tls = makeCertificate(t);
  const cluster = await startCluster(t, { tls });
  const store = await open(t, cluster.url);
  for (const key of keys) t.equal(await store.set(key, key), 'OK');
  await testRenewal(t, 'a Cluster', cluster.url, tls);
  const stranger = makeCertificate(t);
  await t.rejects(
    openStore({
      url: cluster.url.replace(tls.ca, stranger.ca),
      name: 'test',
      acceptDataLoss: false,
      log,
    }),
    /does not answer at REDIS_URL/,
  );
  await t.rejects(
    open(t, cluster.url.replace(tls.ca, '/nowhere')),
    /a certificate file for Redis, \/nowhere, cannot be read \(ENOENT\)/,
  );
});

t.test('Sentinels over TLS, a master that dies, and no other certificate', async (t) => {
  const tls = makeCertificate(t);
  const set = await startSentinel(t, { tls });
  const store = await open(t, set.url);
  t.equal(await store.set('a', '1'), 'OK');
  await confirmWrites(store, 'a');
  await testRenewal(t, 'Sentinels', set.url, tls);
  const { port } = await set.master();
  await testRenewal(t, 'one server', `rediss://127.0.0.1:${port}?ca=${tls.ca}`, tls);
  const stranger = makeCertificate(t);
  const url = set.url.replace(tls.ca, stranger.ca);
  await t.rejects(
    openStore({ url, name: 'test', acceptDataLoss: false, log }),
    /does not answer at REDIS_URL/,
  );
  const first = await set.master();
  await first.stop('SIGKILL');
  t.ok(await backAgain(store, 'a'), 'the new master is found');
  // The Sentinel that is asked here may hear of it later than the one that the client asked.
  for (let tries = 0; tries < 100 && (await set.master()).port === first.port; tries++)
    await sleep(100);
  t.not((await set.master()).port, first.port);
});

t.test('Sentinels: a master that hangs, all Sentinels away, and back', async (t) => {
  const set = await startSentinel(t);
  const store = await open(t, set.url);
  const first = await set.master();
  await first.stop('SIGSTOP');
  t.equal(await outcome(store.set('a', '1')), 'store_unavailable');
  t.ok(await backAgain(store, 'a'), 'the new master is found');
  await first.stop('SIGCONT');

  for (const sentinel of set.sentinels) await sentinel.stop('SIGKILL');
  t.equal(await outcome(store.set('a', '1')), 'ok', 'Sentinels are asked at a connection only');
  const second = set.servers.filter(({ port }) => port !== first.port);
  for (const server of second) await server.ask('CLIENT', 'KILL', 'TYPE', 'normal').catch(() => {});
  await sleep(100);
  t.equal(await outcome(store.set('a', '1')), 'store_unavailable');
  for (const sentinel of set.sentinels) await sentinel.start();
  t.ok(await backAgain(store, 'a'), 'and back');
});

// Alone: it counts the timers of this process.
t.test('a Cluster: a user, forgotten scripts, a master that hangs', async (t) => {
  const args = [
    ...['--user', 'one', 'on', '>word', '~*', '&*', '+@all', '-@dangerous', '+info'],
    ...['+config|get'],
  ];
  const cluster = await startCluster(t, { args });
  await t.rejects(open(t, cluster.urlWith('one:wrong')), /user, password and the form/);
  const store = await open(t, cluster.urlWith('one:word'));
  const add = defineScript(store, {
    name: 'testAdd',
    lua: "return redis.call('INCR', KEYS[1])",
  });
  for (let round = 1; round <= 3; round++) {
    await Promise.all(cluster.members.map((member) => member.ask('SCRIPT', 'FLUSH')));
    const counts = await Promise.all(keys.map((key) => add([`${key}:count`], [])));
    t.same(
      counts,
      keys.map(() => round),
      'each script ran once',
    );
  }
  await t.rejects(
    open(t, `redis://127.0.0.1:${cluster.members[0]?.port}`),
    /leads to a server of a Cluster: write redis\+cluster:/,
  );

  const master = await cluster.masterOf(slotOf('a'));
  await master.stop('SIGSTOP');
  t.equal(await outcome(store.set('a', '1')), 'store_unavailable');
  t.ok(await backAgain(store, 'a'), 'its replica is found');
  await master.stop('SIGCONT');
  t.ok(await backAgain(store, 'a'));
  for (const key of keys) t.ok(await backAgain(store, key));

  await quitRedis(store);
  const countTimers = () => process.getActiveResourcesInfo().filter(isTimer).length;
  const short = await open(t, cluster.urlWith('one:word'));
  for (const member of cluster.members) await member.stop('SIGSTOP');
  // Long enough for the client to have begun to read the map, which none of them gives.
  await sleep(1200);
  await quitRedis(short);
  for (const member of cluster.members) await member.stop('SIGCONT');
  for (let tries = 0; countTimers() > 0 && tries < 200; tries++) await sleep(50);
  t.equal(countTimers(), 0, 'a client that is closed while it reads the map leaves nothing');
});
