/** What goes over TLS to a node, and above all what does not when it is not the node. */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer as createTcp } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { createServer, type TLSSocket, type TlsOptions } from 'node:tls';
import t, { type Test } from 'tap';
import { openIdentity } from '../../../shared/identity.js';
import { createLog } from '../../../shared/log.js';
import { type Authority, type Files, makeAuthority } from '../../../shared/test/certs.js';
import { createConnectTo } from '../../nodes/connect.js';
import { type Answer, createForward } from '../../nodes/forward.js';
import { head } from './hostile.js';

const authority = await makeAuthority(t);
const gatewayFiles = await authority.gateway();
const nodeFiles = await authority.node('n1');
const secret = 'MARKER-password';

const readFiles = ({ certFile, keyFile, caFile }: Files) => ({
  cert: readFileSync(certFile),
  key: readFileSync(keyFile),
  ca: readFileSync(caFile),
});

/** A server that answers every request well, and keeps every byte that it could read. */
const startPeer = async (t: Test, options: TlsOptions) => {
  const seen = { bytes: '', sockets: [] as TLSSocket[], failures: [] as string[] };
  const server = createServer({ requestCert: true, ...options }, (socket) => {
    seen.sockets.push(socket);
    socket.on('error', () => {});
    socket.on('data', (data) => {
      seen.bytes += data.toString();
      socket.write(`${head(2)}{}`);
    });
  });
  server.on('tlsClientError', (error: Error) => seen.failures.push(error.message));
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  t.teardown(() => {
    server.close();
    for (const socket of seen.sockets) socket.destroy();
  });
  const address = server.address();
  return { seen, server, port: typeof address === 'object' ? (address?.port ?? 0) : 0 };
};

const openLine = (t: Test, port: number, files: Files = gatewayFiles) => {
  const warned: object[] = [];
  const log = { warn: (fields: object) => void warned.push(fields) };
  const silent = createLog({ level: 'silent', role: 'test' });
  const identity = openIdentity({ files, isOwn: () => true, wanted: '', log: silent });
  const connectTo = createConnectTo({ identity, log });
  const place = { kind: 'tls', host: '127.0.0.1', port, name: 'floodgate://node/n1' } as const;
  const line = createForward(connectTo(place));
  t.teardown(() => {
    line.close();
    identity.close();
  });
  const send = (): Promise<Answer> =>
    new Promise((resolve) => {
      const headers = { host: 'node' };
      line.send(
        { method: 'POST', path: '/login', headers, body: secret, timeoutMs: 2000 },
        resolve,
      );
    });
  return { line, send, warned };
};

t.test('with a certificate that has ended only who takes a lost place begins', async (t) => {
  const year = 366 * 86_400_000;
  const uri = 'floodgate://gateway';
  const files = await authority.make('ended', uri, 'client', Date.now() - 2 * year);
  const log = createLog({ level: 'silent', role: 'test' });
  const given = { files, isOwn: (name: string) => name === uri, wanted: '', log };
  t.throws(() => openIdentity(given), /ended on .*--renew/);
  const identity = openIdentity({ ...given, replacesLost: true });
  t.teardown(identity.close);
  t.equal(identity.name(), uri);
});

t.test('the node itself is asked, over one connection, with our certificate', async (t) => {
  const { seen, port } = await startPeer(t, { ...readFiles(nodeFiles), minVersion: 'TLSv1.3' });
  const { send, line } = openLine(t, port);
  for (let i = 0; i < 3; i++) t.match(await send(), { kind: 'answered', status: 200 });
  t.equal(seen.sockets.length, 1);
  t.equal(seen.bytes.split(secret).length, 4);
  const [first] = seen.sockets;
  t.equal(first?.getProtocol(), 'TLSv1.3');
  t.equal(first?.getPeerCertificate().subjectaltname, 'URI:floodgate://gateway');
  line.renew();
  t.match(await send(), { kind: 'answered' });
  t.equal(seen.sockets.length, 2, 'after a renewal over a new connection');
  t.ok(seen.sockets[1]?.isSessionReused(), 'which costs no new signatures');
  t.equal(seen.sockets[1]?.authorized, true);
});

t.test('a standstill of this process while it connects makes no node unreachable', async (t) => {
  const { port } = await startPeer(t, { ...readFiles(nodeFiles), minVersion: 'TLSv1.3' });
  const { send } = openLine(t, port);
  const answer = send();
  // After what is due now, so that the loop's next round begins with the timers.
  await new Promise((resolve) => setImmediate(resolve));
  for (const end = performance.now() + 900; performance.now() < end; );
  t.match(await answer, { kind: 'answered' });
});

t.test('whoever is not this node gets not one byte of the request', async (t) => {
  const other: Authority = await makeAuthority(t);
  // Nor when somebody has switched off what Node checks by default.
  process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0';
  t.teardown(() => delete process.env.NODE_TLS_REJECT_UNAUTHORIZED);
  const impostors: Record<string, TlsOptions> = {
    'another CA': { ...readFiles(await other.node('n1')), ca: [authority.ca.cert, other.ca.cert] },
    'another node of our CA': readFiles(await authority.node('n2')),
    'the gateway’s certificate': readFiles(gatewayFiles),
    'a name that only looks like it': readFiles(
      await authority.make('odd', 'floodgate://node/n1,%20URI:floodgate://node/n1x', 'server'),
    ),
    'TLS 1.2': { ...readFiles(nodeFiles), maxVersion: 'TLSv1.2' },
  };
  for (const [name, options] of Object.entries(impostors)) {
    const { seen, port } = await startPeer(t, options);
    const { send, warned } = openLine(t, port);
    t.same(
      await Promise.all([send(), send()]),
      [{ kind: 'unreached' }, { kind: 'unreached' }],
      name,
    );
    t.equal(seen.bytes, '', name);
    t.equal(warned.length, 1, `${name}: said once`);
  }
});

t.test('a listener that speaks no TLS learns nothing, and is out of reach in time', async (t) => {
  let bytes = '';
  const server = createTcp((socket) => {
    socket.on('error', () => {});
    socket.on('data', (data) => {
      bytes += data.toString('latin1');
    });
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  t.teardown(() => server.close());
  const address = server.address();
  const { send } = openLine(t, typeof address === 'object' ? (address?.port ?? 0) : 0);
  const start = performance.now();
  t.same(await send(), { kind: 'unreached' });
  t.ok(performance.now() - start < 1900, 'before the request’s own time is over');
  t.ok(bytes.length > 0, 'the greeting of TLS');
  t.notMatch(bytes, 'MARKER');
  t.notMatch(bytes, 'HTTP');
});

t.test(
  'a node that does not accept us reads nothing; where nobody is, nothing was started',
  async (t) => {
    const other = await makeAuthority(t);
    const options = { ...readFiles(nodeFiles), ca: other.ca.cert, rejectUnauthorized: true };
    const { seen, server, port } = await startPeer(t, options);
    const { send } = openLine(t, port);
    // In TLS 1.3 it says so after our own handshake has ended: by then it could be anything.
    t.same(await send(), { kind: 'died' });
    t.equal(seen.bytes, '');
    t.equal(seen.failures.length, 1);
    server.close();
    t.same(await send(), { kind: 'unreached' }, 'refused');
  },
);

t.test('a request that is given up while connecting leaves nothing behind', async (t) => {
  const { seen, server, port } = await startPeer(t, readFiles(nodeFiles));
  const isConnected = () =>
    new Promise<boolean>((resolve) => server.getConnections((_, count) => resolve(count > 0)));
  const { line, send } = openLine(t, port);
  const arrived = once(server, 'connection');
  const answer = await new Promise<Answer>((resolve) => {
    const headers = { host: 'node' };
    const request = { method: 'POST', path: '/login', headers, body: secret, timeoutMs: 2000 };
    const abort = line.send(request, resolve);
    abort();
  });
  t.same(answer, { kind: 'aborted' });
  await arrived;
  for (let i = 0; i < 1000 && (await isConnected()); i++) await sleep(5);
  t.notOk(await isConnected(), 'it would hold the node’s 408 for whoever gets it next');
  t.match(await send(), { kind: 'answered' });
  t.equal(seen.bytes.split(secret).length, 2, 'only the second one was sent');
});
