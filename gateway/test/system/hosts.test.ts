/**
 * Nodes as on other machines: over TCP with mutual TLS, their sockets out of reach. Each has a runtime
 * directory of its own; the gateway looks into another one.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect as connectTls, createServer } from 'node:tls';
import bcrypt from '@node-rs/bcrypt';
import t, { type Test } from 'tap';
import { parseAddress } from '../../../shared/address.js';
import { callerProof, openEntry, signEntry } from '../../../shared/protocol.js';
import { connectRedis, quitRedis } from '../../../shared/redis.js';
import { whenReady } from '../../../shared/redis-calls.js';
import { type Files, makeAuthority, settingsOf } from '../../../shared/test/certs.js';
import { decided, password, startFleet, textOf, until } from './fleet.js';

// The machine may be slow; a hang is found by the bounds inside the tests.
t.setTimeout(300_000);

const setUp = async (t: Test, options: { nodes?: number; edges?: number } = {}) => {
  const authority = await makeAuthority(t);
  const base = mkdtempSync(join(tmpdir(), 'fg-hosts-'));
  t.teardown(() => rmSync(base, { recursive: true, force: true }));
  // One certificate for the whole machine: node-1, node-2, …
  const nodeTls = settingsOf(await authority.node('node'));
  const gatewayFiles = await authority.gateway();
  const fleet = await startFleet(t, {
    ...options,
    env: settingsOf(gatewayFiles),
    nodeEnv: (name) => {
      const dir = join(base, name);
      mkdirSync(dir, { recursive: true, mode: 0o700 });
      return { ...nodeTls, RUNTIME_DIR: dir, NODE_LISTEN: '127.0.0.1:0' };
    },
  });
  const redis = connectRedis({ url: fleet.redis.url, name: 'test', log: { info() {}, warn() {} } });
  await whenReady(redis, 5000);
  t.teardown(() => quitRedis(redis));
  const secret = fleet.env.NODE_SECRET ?? '';

  const entryOf = async (id: string) => {
    const entry = openEntry([secret], (await redis.hget('{nodes}:entries', id)) ?? '');
    const found = entry?.endpoints.flatMap((place) => ('tcp' in place ? [place] : []))[0];
    if (entry === undefined || found === undefined) throw new Error(`${id} has no TCP endpoint`);
    return { entry, tcp: found.tcp, ...(parseAddress(found.tcp) ?? { host: '', port: 0 }) };
  };
  /** Enters a node that no heartbeat keeps. */
  const enter = async (id: string, text: string) => {
    await redis.zadd('{nodes}:seen', Date.now() + 3_600_000, id);
    await redis.hset('{nodes}:entries', id, text);
  };
  const nodes = async () => {
    const { body } = await fleet.admin('GET', '/nodes');
    return Array.isArray(body.nodes)
      ? body.nodes.map((node) => ({ id: node.id, via: node.via }))
      : [];
  };
  /** Users by import: registrations are limited per address. */
  const importUsers = async (count: number): Promise<string[]> => {
    const hash = bcrypt.hashSync(password, { cost: 4 });
    const names = Array.from({ length: count }, (_, i) => `user${i}`);
    for (const name of names) await fleet.importUser(name, hash);
    return names;
  };
  return { fleet, authority, gatewayFiles, secret, entryOf, enter, nodes, importUsers };
};

/** A stand-in for a node, with these certificates; keeps every byte that it can read. */
const startImpostor = async (t: Test, files: { certFile: string; keyFile: string }) => {
  const seen = { bytes: '', greeted: 0 };
  const server = createServer(
    { cert: readFileSync(files.certFile), key: readFileSync(files.keyFile) },
    (socket) => {
      socket.on('error', () => {});
      socket.on('data', (data) => {
        seen.bytes += data.toString();
      });
    },
  );
  server.on('connection', () => {
    seen.greeted++;
  });
  server.on('tlsClientError', () => {});
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  t.teardown(() => server.close());
  const address = server.address();
  return { seen, port: typeof address === 'object' ? (address?.port ?? 0) : 0 };
};

t.test('the whole walk over mutual TLS', async (t) => {
  const { fleet, nodes, entryOf } = await setUp(t);
  const { post, verify, login } = fleet;
  t.same((await nodes()).map(({ via }) => via).sort(), ['tls', 'tls']);
  await fleet.register('alice');
  const first = await fleet.signIn('alice');
  t.equal((await verify(textOf(first, 'access_token'))).status, 200);
  t.equal((await decided(() => login('alice', 'wrong password'))).status, 401);
  const next = `${password}-next`;
  const change = { current_password: password, new_password: next };
  const token = textOf(first, 'access_token');
  const changed = await decided(() => post('/v1/password', change, token));
  t.equal(changed.status, 200);
  t.equal((await decided(() => login('alice', next))).status, 200);
  t.equal((await post('/v1/logout', {}, textOf(changed, 'access_token'))).status, 204);
  t.match(await fleet.metrics(), /node="node-1"/, 'the admin child goes the same way');

  const { host, port, entry } = await entryOf('node-1');
  const plain = await fetch(`http://${host}:${port}/selftest`, {
    headers: { 'x-floodgate-caller': callerProof('any', entry.boot_id) },
  }).catch(() => 'refused');
  t.equal(plain, 'refused', 'no plain HTTP at a TLS port');
});

t.test('no password for impostors, however well they are registered', async (t) => {
  const { fleet, authority, secret, entryOf, enter, nodes, importUsers } = await setUp(t, {
    nodes: 1,
    edges: 1,
  });
  const names = await importUsers(12);
  const other = await makeAuthority(t);
  const foreign = await startImpostor(t, await other.node('evil'));
  const stolen = await startImpostor(t, await authority.node('someone'));
  const rogue = await startImpostor(t, await other.node('rogue'));
  const { entry } = await entryOf('node-1');
  const entryFor = (id: string, port: number) => ({
    ...entry,
    ...{ id, boot_id: `boot-of-${id}`, draining: false },
    endpoints: [{ tcp: `127.0.0.1:${port}`, name: `floodgate://node/${id}` }],
  });
  await enter('evil', signEntry(secret, entryFor('evil', foreign.port)));
  await enter('victim', signEntry(secret, entryFor('victim', stolen.port)));
  await enter('rogue', signEntry('not the secret of this cluster', entryFor('rogue', rogue.port)));
  await until('the entries are read', async () => (await nodes()).length === 3);
  // New nodes are chosen rarely at first, and for a third of the accounts each in the end.
  const signInAll = async () => {
    for (const name of names) await fleet.signIn(name);
    return foreign.seen.greeted > 0 && stolen.seen.greeted > 0;
  };
  await until('both are tried', signInAll, 60_000);
  t.equal(foreign.seen.bytes + stolen.seen.bytes + rogue.seen.bytes, '');
  t.equal(rogue.seen.greeted, 0, 'whoever does not know the secret is not even greeted');
  const unsigned = /floodgate_node_entries_ignored\{[^}]*reason="unsigned"[^}]*\} [1-9]/;
  t.match(await fleet.metrics(), unsigned);
  const codes = () =>
    fleet
      .logLines()
      .filter(({ msg }) => msg === 'node cannot be reached')
      .map(({ code }) => code);
  await until('the log names the reason', () => codes().includes('WRONG_NODE_NAME'));
});

/** Serial number of the certificate that this port shows. */
const serialAt = (port: number, { certFile, keyFile, caFile }: Files) =>
  new Promise<string>((resolve, reject) => {
    const pair = { cert: readFileSync(certFile), key: readFileSync(keyFile) };
    const options = { ...pair, ca: readFileSync(caFile), checkServerIdentity: () => undefined };
    const socket = connectTls({ host: '127.0.0.1', port, ...options }, () => {
      resolve(socket.getPeerCertificate().serialNumber);
      socket.destroy();
    });
    socket.on('error', reject);
  });

t.test('new certificates and a new CA while people sign in: nobody notices', async (t) => {
  const { fleet, authority, gatewayFiles, entryOf, importUsers } = await setUp(t);
  const names = await importUsers(40);
  const { port } = await entryOf('node-1');
  const before = await serialAt(port, gatewayFiles);
  const failed: unknown[] = [];
  let isRunning = true;
  let count = 0;
  const people = [1, 2].map(async () => {
    while (isRunning) {
      const name = names[count++ % names.length] ?? '';
      const answer = await decided(() => fleet.login(name));
      if (answer.status !== 200) failed.push(answer.body);
      await sleep(20);
    }
  });
  const shown = () => serialAt(port, gatewayFiles);
  const reloads = () => fleet.logLines().filter(({ msg }) => msg === 'certificate reloaded').length;
  /** Everybody who is concerned has read the new files, and people go on signing in. */
  const change = async (name: string, readers: number, put: () => unknown) => {
    const sofar = { reloads: reloads(), count };
    await put();
    await until(`${name}: read`, () => reloads() >= sofar.reloads + readers);
    await until(`${name}: logins`, () => count > sofar.count + 20, 30_000);
  };
  const [nodes, gateways] = [2, 3];
  await change('a new certificate of the nodes', nodes, () => authority.node('node'));
  t.not(await shown(), before);
  await change('of edges and admin child', gateways, authority.gateway);

  const cas = await authority.changeCa();
  const all = nodes + gateways;
  await change('two CAs', all, () => authority.trust(cas.before, cas.after));
  await change('nodes of the new CA', nodes, () => authority.node('node'));
  await change('edges and admin child of the new CA', gateways, authority.gateway);
  await change('the new CA alone', all, () => authority.trust(cas.after));
  isRunning = false;
  await Promise.all(people);
  t.same(failed, []);
  const trouble = fleet
    .logLines()
    .filter(({ msg }) => /cannot be (used|reached)/.test(String(msg)));
  t.same(trouble, []);
  // A login that was repeated on the other node would not be among those that failed.
  const lost = /node_forwards_total\{[^}]*outcome="(died|unreached|broken)"[^}]*\} [1-9]/;
  t.notMatch(await fleet.metrics(), lost);
});

t.test('a killed node on TCP: its logins are answered by the other one', async (t) => {
  const { fleet, importUsers } = await setUp(t);
  const names = await importUsers(18);
  for (const name of names) await fleet.signIn(name);
  const answers = names.map(async (name, i) => {
    await sleep(i * 60);
    if (i === 6) fleet.nodes[0]?.child.kill('SIGKILL');
    // One node is left on a machine that may be busy with other tests.
    return decided(() => fleet.login(name));
  });
  const statuses = (await Promise.all(answers)).map(({ status }) => status);
  t.same([...new Set(statuses)], [200]);
});
